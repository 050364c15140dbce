"""What a probe prints of the sentences that articles use: the next word, what a head looks at, what a swap changes."""

from collections.abc import Iterator, Sequence


def sentence_lines(sentences: Sequence[dict]) -> Iterator[str]:
    """The sentences of articles: each pair as its first text, and beneath it a line for each word that it may have."""
    if not sentences:
        return
    yield "sentences of articles, of which a pair differs in one word; log-odds of answer to foil, in nats"
    yield f"  {'word':<7}{'says':<15}{'head: its attention':<31}log-odds, with the two swapped; says"
    for i, sentence in enumerate(sentences):
        if i % 2 == 0:
            yield sentence["text"]
        yield f"  {sentence['key']:<6} {word_and_share(sentence['next'][0]):<14} {look_of(sentence)}"
    if any(" it " in sentence["text"] for sentence in sentences):  # which a later word decides
        yield "at 'it' a causal model cannot know what is meant (50 % by construction)"
    yield ""


def look_of(sentence: dict) -> str:
    """What the head of a sentence looks at, and what a swap changes."""
    if not (look := sentence["look"]):
        return "the model does not resolve this task: no head is interpreted"
    attention = (
        f"{look['head']}: {sentence['gold']} {look['gold']:.0%}, {sentence['distractor']} {look['distractor']:.0%}"
    )
    if not (swap := look["swap"]):
        return f"{attention} (nothing leads from there to the answer)"
    return f"{attention:<30} {sentence['log_odds']:.1f} to {swap['log_odds']:.1f}, {word_and_share(swap)}"


def word_and_share(said: dict) -> str:
    return f"{said['word']} {said['probability']:.1%}"
