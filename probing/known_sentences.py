"""The sentences that articles use, read by a model: what it says next, what its head looks at, what a swap changes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from common.errors import InputError
from common.visible import END, visible
from data import Case, Tokenizer
from data.cases.case import words_at
from data.cases.fit import encode_checked
from data.stories.articles import PAIRS, Pair
from model import GPT
from probing.heads import parse_head
from probing.interventions import Batch, changed_row, paths_to_answer, replay_row
from probing.quotes import HeadQuote
from probing.sentence import encode_sentence, next_words
from probing.tasks import TaskResult

LIKELIEST = 3  # next words that are kept


def read_known_sentences(
    model: GPT, tokenizer: Tokenizer, results: Sequence[TaskResult]
) -> tuple[list[dict], list[str]]:
    """The sentences whose tasks are among ``results``, each beside its counterfactual; and why others were not read.

    Of each, for heads.json: ``text``, what was read, up to the answer; ``key``, the word in it that the counterfactual
    has another one for; ``gold`` and ``distractor``, the candidate that is meant and the other one; ``next``, the
    likeliest next words; at the first token in which ``answer`` and ``foil`` differ, ``p_answer``, ``p_foil`` and
    ``log_odds``, log P(answer) - log P(foil) in nats. ``look``: the task's best ``head`` at its ``site``, the token
    ``from``; its attention to ``gold`` and ``distractor``; and ``swap``, the likeliest next token and ``log_odds`` once
    it has exchanged the two, or None where nothing leads from there to the answer. None where the model does not
    resolve the task.
    """
    by_name = {result.name: result for result in results}
    sentences, left_out = [], []
    for pair in PAIRS:
        if pair.task not in by_name:
            continue
        cases, result = pair.cases(), by_name[pair.task]
        try:
            records = read_pair(model, tokenizer, cases, result.quotes[result.best] if result.resolved else None)
        except InputError as error:
            left_out.append(f"“{read_part(cases[0])}”: {error}")
            continue
        sentences += [{"key": key, **record} for key, record in zip(pair.keys, records, strict=True)]
    return sentences, left_out


def pairs_of(sentences: Sequence[dict]) -> list[Pair]:
    """The pairs that these records are of."""
    there = {(sentence["task"], sentence["key"]) for sentence in sentences}
    return [pair for pair in PAIRS if (pair.task, pair.keys[0]) in there]


def read_part(case: Case) -> str:
    """The text up to the answer."""
    return words_at(case, (0, case.spans.answer[0])).rstrip()


@torch.inference_mode()
def read_pair(model: GPT, tokenizer: Tokenizer, cases: Sequence[Case], best: HeadQuote | None) -> list[dict]:
    """The records of two counterfactuals; raises InputError where the tokenizer cannot measure them or the block is too
    short.
    """
    texts = [read_part(case) for case in cases]
    prompts = [encode_sentence(text, model, tokenizer) for text in texts]
    encoded = [encode_checked(case, tokenizer) for case in cases]
    if (longest := max(len(case.tokens) for case in encoded)) > model.config.block_size:
        raise InputError(f"has {longest} tokens with its answer; the model's block has {model.config.block_size}")
    batch = Batch(model, encoded)
    p, odds = batch.clean_logits[0].softmax(-1), batch.clean.tolist()  # [B, vocabulary], [B]
    looks = look(batch, best, tokenizer) if best else [None] * len(cases)
    return [
        {
            "task": case.task,
            "text": text,
            "answer": words_at(case, case.spans.answer),
            "foil": case.foil,
            "gold": words_at(case, case.spans.gold[0]),
            "distractor": words_at(case, case.spans.distractors[0]),
            "next": [
                {"word": shown(tokenizer, word.pieces), "probability": word.probability}
                for word in next_words(model, tokenizer, prompt, LIKELIEST)
            ],
            "p_answer": float(p[i, encoded[i].answer]),
            "p_foil": float(p[i, encoded[i].foil]),
            "log_odds": odds[i],
            "look": looks[i],
        }
        for i, (case, text, prompt) in enumerate(zip(cases, texts, prompts, strict=True))
    ]


def look(batch: Batch, best: HeadQuote, tokenizer: Tokenizer) -> list[dict]:
    """What one head attends to in each case of the batch, and what a swap of it changes."""
    layer, number = parse_head(best.name)
    rows = batch.rows(best.site)
    pattern = batch.replay.pattern(layer, rows[:, None])[:, number, 0]  # [B, T]
    masses = (batch.marks() @ pattern[..., None])[..., 0].tolist()  # [B, M], gold first
    swaps: Sequence[dict | None] = [None] * len(batch.cases)
    if any(paths_to_answer(batch.model, batch.cases, best.name, best.site)):
        output = changed_row(batch, layer, rows, "weight_swap")[:, number]  # [B, d]
        swaps = says(batch, replay_row(batch, layer, rows, [number], output[None])[0], tokenizer)
    return [
        {
            "head": best.name,
            "site": best.site,
            "from": shown(tokenizer, [case.tokens[case.sites[best.site]]]),
            "gold": gold,
            "distractor": distractor,
            "swap": swap,
        }
        for case, (gold, distractor), swap in zip(batch.cases, masses, swaps, strict=True)
    ]


def says(batch: Batch, logits: Tensor, tokenizer: Tokenizer) -> list[dict]:
    """The likeliest token and the log-odds of each case's logits [B, vocabulary]."""
    likeliest, odds = logits.softmax(-1).max(-1), batch.log_odds(logits[None])[0]
    columns = zip(likeliest.indices.tolist(), likeliest.values.tolist(), odds.tolist(), strict=True)
    return [{"word": shown(tokenizer, [i]), "probability": p, "log_odds": nats} for i, p, nats in columns]


def shown(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    return visible(tokenizer.decode_bytes(ids)).strip() or END
