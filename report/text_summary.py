"""What was found about heads in a text, in a few sentences, out of ``text`` in heads.json (probing.in_text.to_json)."""

from collections.abc import Callable, Mapping

from common.visible import visible_name, visible_text
from data.cases import mine
from probing import lists
from probing.in_text.kinds import KINDS_IN_WORDS
from report.pages import NBSP, counted, percent

MANY = 4  # heads with one role, of which a sentence names no more
NOTABLE = 0.05  # of a head's attention beyond uniform attention: less is not worth a word in the title
RELATIONS = {
    "first_token": "the first token",
    "itself": "the token itself",
    "token_before": "the token before",
    "after_same_token": "what followed the same token",
    "same_token": "the same token",
    "punctuation": "punctuation and line ends",
    "space": "spaces",
    "function_word": "function words",
    "end_token": "end tokens",
    "rest": "other tokens",
}


def leads(heads: Mapping) -> bool:
    """Whether the text comes first on a page of ``heads``, the content of heads.json: it has one, and no tasks but
    those that are made for every text.
    """
    return bool(heads.get("text")) and not set(heads["tasks"]).difference(mine.TASKS, [lists.TASK])


def kind_in_words(name: str) -> str:
    return KINDS_IN_WORDS.get(name, visible_name(name))


def relation_in_words(name: str) -> str:
    return RELATIONS.get(name, visible_name(name))


def role_in_words(role: Mapping) -> str:
    """Of a head: what it is needed for, or what it attends to."""
    if role["by"] == "effect":
        return f"needed most for {kind_in_words(role['role'])}"
    return f"attends to {relation_in_words(role['role'])}"


def clearest(text: Mapping) -> tuple[Mapping, Mapping] | None:
    """The head and the role of it that are shown best: by what it costs at least, the lower end of the interval; if
    no head has such a role, by its share of attention beyond uniform. None if no head has a role.
    """
    pairs = [(head, role) for head in text["heads"] for role in head["roles"]]
    by_effect = [(head, role) for head, role in pairs if role["by"] == "effect"]
    if by_effect:
        return max(by_effect, key=lambda pair: pair[1]["ci"][0])
    return max(pairs, key=lambda pair: pair[1]["share"] - pair[1]["uniform"], default=None)


def title(text: Mapping) -> str:
    """One sentence about the clearest head: where it is needed, what it attends to, and what it costs to lose it."""
    best = clearest(text)
    if best is None:
        return "No head of this model is shown to do anything of its own in this text"
    head, role = best
    name = head["head"]
    if role["by"] == "attention":
        return (
            f"Head {name} {role_in_words(role)}: {percent(role['share'])} of its attention, "
            f"where there is one, goes there (uniform {percent(role['uniform'])}); that the model needs it is not shown"
        )
    lost = f"without it, predicting {kind_in_words(role['role'])} costs {nats(role['nats'])} nats more"
    share, uniform, relation = max(
        ((own["share"], own["uniform"], name) for name, own in head["looks"]["relations"].items() if name != "rest"),
        key=lambda own: own[0] - own[1],
    )
    if share - uniform < NOTABLE:
        return f"Head {name} is {role_in_words(role)}: {lost}"
    looks = f"{percent(share)} of its attention goes to {relation_in_words(relation)} (uniform {percent(uniform)})"
    return f"Head {name} is {role_in_words(role)}: {looks}, and {lost}"


def sentences(text: Mapping) -> list[str]:
    """The numbers that support the title, and what was measured."""
    best = clearest(text)
    return [
        *(about_effect(text, *best) if best and best[1]["by"] == "effect" else ()),
        *about_roles(text),
        *about_reach(text["how_far_back"]),
        about_text(text),
    ]


def about_effect(text: Mapping, head: Mapping, role: Mapping) -> list[str]:
    low, high = role["ci"]
    everything = head["effects"][text["shown"]]["all"]
    return [
        f"The 95{NBSP}% interval of these {nats(role['nats'])} nats is {nats(low)} to {nats(high)}. Over all tokens "
        f"it costs {nats(everything['nats'], 3)} nats. The most that any head of "
        f"{text['untrained']['networks']} untrained networks of this shape costs on any kind of token is "
        f"{nats(role['bar'], 3)}."
    ]


def about_roles(text: Mapping) -> list[str]:
    """Which heads have which role, the strongest first."""
    by: dict[str, dict[str, list[str]]] = {"effect": {}, "attention": {}}
    pairs = [(head["head"], role) for head in text["heads"] for role in head["roles"]]
    for head, role in sorted(pairs, key=lambda pair: -(pair[1]["nats"] or pair[1]["share"])):
        by[role["by"]].setdefault(role["role"], []).append(head)
    n = sum(bool(head["roles"]) for head in text["heads"])
    parts = [f"{n} of {len(text['heads'])} heads have a role in this text."] if n else []
    if by["effect"]:
        parts.append(f"By what costs most without them: {listed(by['effect'], kind_in_words)}.")
    if by["attention"]:
        parts.append(f"By attention: {listed(by['attention'], relation_in_words)}.")
    return [" ".join(parts)] if parts else []


def listed(heads_of: Mapping[str, list[str]], in_words: Callable[[str], str]) -> str:
    parts = []
    for role, heads in heads_of.items():
        more = f" and {len(heads) - MANY} more" if len(heads) > MANY else ""
        parts.append(f"{in_words(role)} {', '.join(heads[:MANY])}{more}")
    return "; ".join(parts)


def about_reach(back: Mapping | None) -> list[str]:
    if back is None:
        return []
    most = back["points"][-1]["limit"]
    if back["enough"] == most:
        return [
            f"In windows of {most} tokens it is not shown that fewer suffice, so how far back heads need to look is "
            "not known."
        ]
    return [
        f"No head needs to look further back than about {counted(back['enough'], 'token')}: where none may, the loss "
        f"grows by less than {nats(back['tolerance'])} nats per token."
    ]


def about_text(text: Mapping) -> str:
    own, loss = text["text"], text["kinds"]["all"]["loss"]
    file = text.get("source", {}).get("text_file")
    of_text = "of text " if "punctuation" in text["relations"] else ""  # tokens that stand for no text have none
    where = f"of {visible_text(file)}" if file else f"{of_text}that it was not trained on"
    return (
        f"Measured on {own['tokens']:,} tokens {where}, {own['windows']:,} windows of {own['window']}, "
        f"where the model's loss is {loss['nats']:.2f} nats per token. Nats: natural logarithms of probability."
    )


def nats(value: float, digits: int = 2) -> str:
    """Without a sign where nothing is left of the number."""
    return f"{value:.{digits}f}".removeprefix("-") if abs(value) < 0.5 * 10**-digits else f"{value:.{digits}f}"
