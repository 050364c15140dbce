"""A language of single letters in which everything about a head can be known: cases, and two models that resolve them.

``A.k..h.?A``: two names, one of each gender, some dots, a pronoun, and at the question mark the name it means.
Counterfactuals differ in the pronoun. Texts are read by the byte tokenizer, so that a letter is a token.
"""

from collections.abc import Sequence
from random import Random
from zlib import crc32

import torch
from torch.nn import functional as F

from data import Case
from data.cases.case import EncodedCase, Spans, encode_case
from data.text.tokenizers import byte_tokenizer
from model import GPT, GPTConfig

MEN, WOMEN, PRONOUNS = "ABCDEFGHIJ", "KLMNOPQRST", {"man": "h", "woman": "s"}
NAMES = MEN + WOMEN
TOKENIZER = byte_tokenizer()
BLOCK = 24


def split_of(man: str, woman: str) -> str:
    return ("select", "report", "train")[min(2, crc32((man + woman).encode()) % 5)]


def toy_cases(split: str, n: int, seed: int = 0) -> list[Case]:
    """n cases, n / 2 counterfactual pairs."""
    rng = Random(f"{split} {seed}")
    cases = []
    while len(cases) < n:
        man, woman = rng.choice(MEN), rng.choice(WOMEN)
        if split_of(man, woman) != split:
            continue
        names = rng.sample([man, woman], 2)
        gaps = [rng.randrange(3) for _ in range(4)]
        id = f"{split}-{seed}-{len(cases)}"
        for who, own, other in (("man", "a", "b"), ("woman", "b", "a")):
            gold, foil = (man, woman) if who == "man" else (woman, man)
            text = "".join(
                part + "." * gap for part, gap in zip((*names, PRONOUNS[who], ""), (*gaps[:3], 0), strict=True)
            )
            places = {part: text.index(part) for part in (*names, PRONOUNS[who])}
            span = {part: (place, place + 1) for part, place in places.items()}
            cases.append(
                Case(
                    id=id + own,
                    text=f"{text}?{gold}",
                    task="agreement",
                    template=f"gaps {gaps[:3]}",
                    split=split,
                    spans=Spans(
                        gold=(span[gold],),
                        distractors=(span[foil],),
                        answer=(len(text) + 1, len(text) + 2),
                        pronoun=span[PRONOUNS[who]],
                    ),
                    foil=foil,
                    counterfactual=id + other,
                    counterfactual_kind="gender",
                )
            )
    return cases


def encoded(split: str, n: int, seed: int = 0) -> list[EncodedCase]:
    return [encode_case(case, TOKENIZER) for case in toy_cases(split, n, seed)]


def hand_set_model() -> GPT:
    """Weights set by hand: 0.0 carries the pronoun's gender to the question mark, 1.0 looks at the name of that gender
    and copies it into the answer. 0.1 does nothing, and 1.1 always looks at the man, to no effect.
    """
    config = GPTConfig(
        TOKENIZER.vocab_size,
        block_size=BLOCK,
        n_layer=2,
        n_head=2,
        n_embd=128,
        position="learned",
        qk_norm=False,
        softcap=0.0,
        tie_embeddings=False,
    )
    man, woman, he, she, question, other, wanted, name, copied = 0, 1, 2, 3, 4, 5, 40, 10, 50
    model = GPT(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        embed = model.embed.weight
        embed[:, other] = 1
        for i, letter in enumerate(NAMES):
            embed[ord(letter)] = 0
            embed[ord(letter), [man if letter in MEN else woman, name + i]] = 1
            model.head.weight[ord(letter), copied + i] = 2
        for letter, feature in (("h", he), ("s", she), ("?", question)):
            embed[ord(letter)] = 0
            embed[ord(letter), feature] = 1
        carry, look = (block.attention for block in model.blocks)
        carry.q.weight[0, question] = 1
        carry.k.weight[0, [he, she]] = 1
        for i, gender in enumerate((he, she)):
            carry.v.weight[i, gender] = 1
            carry.o.weight[wanted + i, i] = 1
            look.q.weight[i, wanted + i] = 2
            look.k.weight[i, (man, woman)[i]] = 1
        for i in range(len(NAMES)):
            look.v.weight[2 + i, name + i] = 1
            look.o.weight[copied + i, 2 + i] = 1
        look.q.weight[64, question] = 1
        look.k.weight[64, man] = 1
    return model


def train(seed: int, steps: int, shuffled: bool) -> GPT:
    """A small model trained on toy stories; ``shuffled``: the answer is one of the two names, whoever was meant."""
    config = GPTConfig(TOKENIZER.vocab_size, block_size=BLOCK, n_layer=2, n_head=2, n_embd=64)
    model = GPT(config, seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.98))
    drawn = encoded("train", 4_000, seed)
    rng = Random(seed)
    for _ in range(steps):
        tokens, asked, answers = batch_of(rng.sample(drawn, 64), rng, shuffled)
        loss = F.cross_entropy(model(tokens, rows=asked[:, None])[:, 0], answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def batch_of(cases: Sequence[EncodedCase], rng: Random, shuffled: bool) -> tuple[torch.Tensor, ...]:
    """Tokens [B, T], the rows of the question marks [B], and the answers [B]."""
    tokens = torch.tensor([[*case.tokens, *[0] * (BLOCK - len(case.tokens))] for case in cases])
    answers = [rng.choice((case.answer, case.foil)) if shuffled else case.answer for case in cases]
    return tokens, torch.tensor([case.sites["A-1"] for case in cases]), torch.tensor(answers)
