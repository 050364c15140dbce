"""What probing found, in a few sentences: the one that a reader remembers, and what makes it believable."""

from collections.abc import Sequence

from probing.families import FamilyResult, impossible_probe
from probing.findings import Findings
from probing.roles import FAMILY_ROLES

# What points to the antecedent in a family of stories.
FAMILIES = {
    "agreement": "gender, number or animacy says which candidate a pronoun means",
    "verb_bias": "the verb before the pronoun says whom it means",
    "cue": "a word after the pronoun says which of two things it means",
    "roles": "a word after the pronoun says which of two things it means, by what each does",
    "chains": "a pronoun leads to its antecedent through another pronoun",
    "subject_verb": "a verb agrees with its subject, not with the noun beside it",
    "recall": "a trade and a name, seen together once",
    "copying": "a list of words, said a second time",
    "sense": "what was done says in which sense a word is meant",
    "translation": "a sentence and its translation into a made-up language",
    "facts": "two steps: from a pronoun to a person to what that person did",
    "reasons": "three steps: from a verb to a pronoun's person to what that person did",
    "random_lists": "random tokens, repeated after a random gap",
}
BASELINES = {
    "chance": "a coin",
    "nearest": "the nearest candidate",
    "first": "the candidate named first",
    "subject": "the grammatical subject",
    "frequent": "the candidate named most often",
    "offset": "the best fixed distance",
    "shuffled": "the same heads with shuffled labels",
    "untrained": "the luckiest of eight untrained networks",
}


def clearest(findings: Findings) -> FamilyResult | None:
    """The family that shows best that a head looks and matters: of pronouns, if there is one; None if there is none."""
    looking = [result for result in findings.families if result.quotes[result.best].looks]
    pronouns = [result for result in looking if FAMILY_ROLES.get(result.name) == "pronoun"]

    def clarity(result: FamilyResult) -> tuple[bool, float]:
        return result.matters(result.best), result.quotes[result.best].ci[0] - result.best_baseline[1].accuracy

    return max(pronouns or looking, key=clarity, default=None)


def title(findings: Findings) -> str:
    """One sentence: which head looks back, and whether it matters."""
    result = clearest(findings)
    if result is None:
        return "No head of this model is shown to look back"
    pronoun = FAMILY_ROLES.get(result.name) == "pronoun"
    what = "from a pronoun to what it means" if pronoun else f"to the right word in {result.name}"
    ending = ", and it matters" if result.matters(result.best) else "; that it matters is not shown"
    return f"Head {result.best} looks back {what}{ending}"


def sentences(findings: Findings) -> list[str]:
    """The numbers behind the title."""
    result = clearest(findings)
    return [
        *(about_head(result) if result else about_nothing(findings.families)),
        *about_families(findings.families),
        *about_impossible(findings.families),
    ]


def about_head(result: FamilyResult) -> list[str]:
    quoted, (name, baseline) = result.quotes[result.best], result.best_baseline
    found = [
        f"In {percent(quoted.accuracy)} of {len(result.cases)} held-out cases of {describe(result.name)} it gives what "
        f"is meant more attention than the other candidate (95 % interval {interval(quoted.ci)}); the best baseline, "
        f"{BASELINES.get(name, name)}, picks the right one in {percent(baseline.accuracy)}."
    ]
    if swap := result.effects["swap"].get(result.best):
        low, high = swap.ci
        found.append(
            f"Swapping what it gives to the two, and nothing else, costs the answer {swap.drop:.1f} nats "
            f"({low:.1f} to {high:.1f}); in heads that do not look at most {swap.reference:.1f}."
        )
    return found


def about_nothing(families: Sequence[FamilyResult]) -> list[str]:
    if not families:
        return ["No family of cases could be measured."]
    best = max(families, key=lambda result: result.accuracy)
    return [
        f"Of {len(families)} families of cases the model resolves {sum(result.resolved for result in families)}; it is "
        f"right most often in {best.name}, in {percent(best.accuracy)} of {len(best.cases)} held-out cases."
    ]


def about_families(families: Sequence[FamilyResult]) -> list[str]:
    looking = [result for result in families if result.quotes[result.best].looks]
    if not looking:
        return []
    resolved, matter = (
        sum(result.resolved for result in families),
        sum(result.matters(result.best) for result in looking),
    )
    return [
        f"This is the clearest of {len(families)} families of cases: the model resolves {resolved}, a chosen head "
        f"looks in {len(looking)}, and matters in {matter}."
    ]


def about_impossible(families: Sequence[FamilyResult]) -> list[str]:
    impossible = impossible_probe(families)
    if impossible is None:
        return []
    if impossible != 0.5:
        return [f"The impossible probe reads {impossible:.2%} instead of 50 %: a bug; do not trust these numbers."]
    return ["Where nobody could know, no head does: the impossible probe reads 50.00 %."]


def describe(family: str) -> str:
    return f"{family} ({FAMILIES[family]})" if family in FAMILIES else family


def percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def interval(ci: tuple[float, float]) -> str:
    return f"{100 * ci[0]:.1f} to {100 * ci[1]:.1f} %"
