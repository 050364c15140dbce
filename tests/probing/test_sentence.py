"""A sentence of the user's own: how words of several pieces are continued, and what changes without a head."""

import math
from itertools import pairwise

import pytest
import torch
from networks import BYTES, bigram_model, loud_model
from tolerance import additions, tolerance

from common.errors import InputError
from data.text.tokenizers import IdTokenizer
from model import GPTConfig, Hooks
from probing.heads import head_names, parse_head
from probing.sentence import changes_without_heads, encode_sentence, may_stand_inside, next_words

EXPECTED = [
    ("Aé".encode(), (0.3, 0.7, 0.9)),
    (b"x", (0.15,)),
    (b" Pi", (0.4, 0.9, 0.3)),  # whose first piece is the likeliest
    (b"", (0.1,)),
    (b".", (0.05,)),
]


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


def test_a_word_ends_after_an_ideograph_and_before_punctuation():
    model = bigram_model(16)
    with torch.no_grad():
        for before, after in pairwise("日日".encode()):
            model.head.weight[after, before] = 1
    (word,) = next_words(model, BYTES, encode_sentence("日", model, BYTES), 1)
    assert BYTES.decode_bytes(word.pieces) == "日".encode()
    assert may_stand_inside("日".encode()[:2])
    assert [text for text in ("é", "日", "。", "”", " a") if may_stand_inside(text.encode())] == ["é", "日"]


def test_a_sentence_begins_as_documents_do_and_has_to_fit():
    model = bigram_model(4)
    assert encode_sentence("abc", model, BYTES) == [BYTES.end, *b"abc"]
    with pytest.raises(InputError, match="the text has 4 tokens; this model reads 3 at most; shorten it"):
        encode_sentence("abcd", model, BYTES)
    with pytest.raises(InputError, match="the text has 5 tokens; this model reads 4 at most; shorten it"):
        encode_sentence("0 1 2 3 4", model, IdTokenizer(8))  # without an end token, which takes none of the block


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
