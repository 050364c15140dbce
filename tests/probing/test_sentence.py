"""A sentence of the user's own: how words of several pieces are continued, and what changes without a head."""

import math

import pytest
import torch
from networks import loud_model
from tolerance import additions, tolerance

from common.errors import InputError
from data.text.tokenizers import byte_tokenizer
from model import GPT, GPTConfig, Hooks
from probing.heads import head_names, parse_head
from probing.sentence import changes_without_heads, encode_sentence, next_words

BYTES, WIDTH = byte_tokenizer(), 264
# What follows each byte, and how likely; after the question mark, the five that a sentence is asked for.
FOLLOWING = {
    b"?": {b" ": 0.4, b"A": 0.3, b"x": 0.15, b"": 0.1, b".": 0.05},
    b" ": {b"P": 0.9, b".": 0.1},
    b"P": {b"i": 0.3, b"e": 0.25, b".": 0.45},  # more goes on with the word than ends it
    b"i": {b"a": 0.4, b" ": 0.3, b".": 0.3},
    b"A": {b"\xc3": 0.7, b".": 0.3},
    b"\xc3": {b"\xa9": 0.9, b".": 0.1},  # é
    b"\xa9": {b"": 1.0},
    b"x": {b"\xe2": 1.0},
    b"\xe2": {b"\x80": 1.0},
    b"\x80": {b"\x99": 1.0},  # an apostrophe, which is no letter
    b".": {b"A": 1.0},
    b"": {b"A": 1.0},
}
EXPECTED = [
    (b" Pi", (0.4, 0.9, 0.3)),
    ("Aé".encode(), (0.3, 0.7, 0.9)),
    (b"x", (0.15,)),
    (b"", (0.1,)),
    (b".", (0.05,)),
]


def bigram_model(block_size: int) -> GPT:
    """One whose blocks do nothing, and whose head has log P of FOLLOWING for the last token."""
    config = GPTConfig(
        BYTES.vocab_size, block_size, n_layer=1, n_head=1, n_embd=WIDTH, softcap=0.0, tie_embeddings=False
    )
    model = GPT(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.embed.weight.fill_diagonal_(1)
        model.head.weight.fill_(-30 / math.sqrt(WIDTH))  # the last norm makes sqrt(D) of the 1
        for before, following in FOLLOWING.items():
            for after, p in following.items():
                model.head.weight[BYTES.pieces.index(after), BYTES.pieces.index(before)] = math.log(p) / math.sqrt(
                    WIDTH
                )
    return model


@pytest.mark.parametrize("block_size", [16, 4], ids=["fits", "fills the block"])
def test_a_piece_is_continued_by_the_likeliest_ones_to_the_end_of_its_word(block_size):
    model = bigram_model(block_size)
    found = next_words(model, BYTES, encode_sentence("Hm?", model, BYTES), 5)
    assert [BYTES.decode_bytes(word.pieces) for word in found] == [raw for raw, _ in EXPECTED]
    for word, (_, probabilities) in zip(found, EXPECTED, strict=True):
        assert word.probabilities == pytest.approx(probabilities, rel=1e-4)
        assert word.probability == pytest.approx(math.prod(probabilities), rel=1e-4)


def test_a_word_without_an_end_is_cut():
    model = bigram_model(16)
    with torch.no_grad():
        model.head.weight[ord("A"), ord("A")] = 1
    assert BYTES.decode_bytes(next_words(model, BYTES, [BYTES.end], 1)[0].pieces) == b"A" * 32


def test_a_sentence_begins_as_documents_do_and_has_to_fit():
    model = bigram_model(4)
    assert encode_sentence("abc", model, BYTES) == [BYTES.end, *b"abc"]
    with pytest.raises(InputError, match="the text has 4 tokens; this model reads 3 at most; shorten it"):
        encode_sentence("abcd", model, BYTES)


class Without(Hooks):
    """Sets the output of one head to zero in a whole forward pass."""

    def __init__(self, head: str) -> None:
        super().__init__()
        self.layer, self.head = parse_head(head)

    def z(self, layer: int, z: torch.Tensor) -> torch.Tensor:
        if layer == self.layer:
            z = z.clone()
            z[:, self.head] = 0
        return z


@torch.no_grad()
@pytest.mark.parametrize("attention", ["F", "WRSLF", "FR", "R"])
def test_what_changes_without_a_head_is_what_a_whole_pass_says(attention, monkeypatch):
    monkeypatch.setattr("probing.sentence.NUMBERS_PER_BATCH", 1)  # heads one by one
    config = GPTConfig(
        50, 16, n_layer=max(2, len(attention)), n_head=4, n_embd=32, attention=attention, window=3, stride=2
    )
    model, tokens = loud_model(config), [3, 1, 4, 1, 5, 9, 2, 6]
    read = torch.tensor([tokens])
    clean = model(read)[0, -1].log_softmax(-1)
    changes = changes_without_heads(model, tokens)
    assert tuple(changes) == head_names(model)
    limit = tolerance(n_terms=additions(config, len(tokens)), scale=float(clean.abs().max()))
    for head, change in changes.items():
        without = model(read, hooks=Without(head))[0, -1].log_softmax(-1)
        assert change == pytest.approx(float((without - clean)[clean.argmax()]), abs=limit)
    assert not changes or max(map(abs, changes.values())) > 100 * limit, "heads do something here"
