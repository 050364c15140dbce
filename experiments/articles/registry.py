"""All claims, in the order of docs/articles.md. A claim is added with one import and one place in CLAIMS."""

from experiments.articles import (
    causality,
    distance,
    explanations,
    heads,
    letters,
    pronouns,
    scaling,
    sense,
    translation,
)
from experiments.articles.claim import Claim

MODULES = (pronouns, sense, distance, scaling, causality, heads, explanations, translation, letters)
CLAIMS: dict[str, Claim] = {module.CLAIM.name: module.CLAIM for module in MODULES}
