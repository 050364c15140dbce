"""The families of stories. To add one: write its templates, what to draw and what to tell, and add it here."""

from data.stories.grammar import Family
from data.stories.tasks.language import COPYING, RECALL, SUBJECT_VERB, TRANSLATION
from data.stories.tasks.people import AGREEMENT, CHAINS, FACTS, REASONS, VERB_BIAS
from data.stories.tasks.things import CUE, ROLES, SENSE

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        AGREEMENT,
        VERB_BIAS,
        CUE,
        ROLES,
        CHAINS,
        SUBJECT_VERB,
        RECALL,
        COPYING,
        SENSE,
        TRANSLATION,
        FACTS,
        REASONS,
    )
}
