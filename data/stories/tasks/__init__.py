"""All tasks. To add one, write its templates and what draws their words in a module here, and list it in ``TASKS``."""

from data.stories.grammar import Task
from data.stories.tasks.language import COPYING, RECALL, SUBJECT_VERB, TRANSLATION
from data.stories.tasks.people import AGREEMENT, CHAINS, FACTS, REASONS, VERB_BIAS
from data.stories.tasks.things import CUE, ROLES, SENSE

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
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
