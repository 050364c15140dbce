"""Any text survives any tokenizer, and ours agree with those they come from."""

from pathlib import Path

import inputs
import numpy as np
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from tiktoken_ext.openai_public import r50k_pat_str

from common.errors import InputError
from data import Tokenizer, TokenizerConfig
from data.text.tokenizers import END, N_BYTES, byte_tokenizer, gpt2_tokenizer, train_bpe

TEXTS = [
    "Tom met Anna. ",
    "He said, my name is Tom.\n",
    "don't   stop\n\n  now",
    "Grüße 日本語 😀",
    "<|endoftext|> is text",
]


@pytest.fixture(scope="module")
def gpt2(input_folder) -> Tokenizer:
    with inputs.gpt2_from(input_folder):
        return gpt2_tokenizer(input_folder)


@pytest.fixture(scope="module", params=["bytes", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return byte_tokenizer() if request.param == "bytes" else train_bpe(TEXTS * 3, 400)


@settings(max_examples=200)
@given(st.text())
def test_any_text_comes_back(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.end not in ids
    assert tokenizer.lengths[ids].sum() == len(text.encode())


@given(
    st.lists(st.tuples(st.one_of(st.text(), st.sampled_from([*TEXTS, END, "a  ", "  b"])), st.booleans()), max_size=9)
)
def test_many_pieces_are_encoded_like_each_alone(tokenizer, pieces):
    alone = [id for text, ends in pieces for id in [*tokenizer.encode(text), *([tokenizer.end] if ends else [])]]
    assert tokenizer.encode_pieces(pieces).tolist() == alone


def test_text_that_looks_like_the_end_token_is_text(tokenizer):
    assert tokenizer.decode(tokenizer.encode("<|endoftext|>")) == "<|endoftext|>"
    assert len(tokenizer.encode("<|endoftext|>")) > 1


def test_stored_and_loaded_is_the_same(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json())
    loaded = Tokenizer.load(path)
    assert (loaded.kind, loaded.vocab_size, loaded.end) == (tokenizer.kind, tokenizer.vocab_size, tokenizer.end)
    for text in TEXTS:
        assert loaded.encode(text).tolist() == tokenizer.encode(text).tolist()


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"kind": "bpe", "pattern": "x", "tokens": ["YQ=="]}'])
def test_a_damaged_tokenizer_is_named(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"is damaged"):
        Tokenizer.load(path)


def test_merges_agree_with_the_library_that_trained_them():
    """Hugging Face's own encoder, applied to the merges it learned, is the reference for our tiktoken encoding."""
    from tokenizers import Regex, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as Reference

    from data.text.tokenizers import WORD_PATTERN, byte_of_symbol

    ours = train_bpe(TEXTS * 3, 400)
    symbol = {byte: letter for letter, byte in byte_of_symbol().items()}
    names = ["".join(symbol[byte] for byte in piece) for piece in ours.pieces[:-1]]
    known = {piece: i for i, piece in enumerate(ours.pieces[:-1])}
    merges = []
    for piece in ours.pieces[N_BYTES:-1]:
        best = min(
            (max(known[piece[:i]], known[piece[i:]]), i)
            for i in range(1, len(piece))
            if {piece[:i], piece[i:]} <= known.keys()
        )
        merges.append(tuple("".join(symbol[byte] for byte in part) for part in (piece[: best[1]], piece[best[1] :])))
    reference = Reference(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=merges))
    reference.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORD_PATTERN), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    reference.decoder = decoders.ByteLevel()
    for text in TEXTS:
        assert reference.encode(text).ids == ours.encode(text).tolist()


def test_a_small_corpus_yields_fewer_merges_than_asked_for():
    tokenizer = train_bpe(["ab ab ab"], 5_000)
    assert tokenizer.vocab_size < 300
    assert tokenizer.vocab_size == len(tokenizer.pieces)


def gpt2_of_tiktoken(folder: Path) -> tiktoken.Encoding:
    """What tiktoken's own code makes of both files; ``get_encoding`` takes none but the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        if folder == inputs.REAL:
            patch.setenv("TIKTOKEN_CACHE_DIR", str(folder / "tiktoken"))
            return tiktoken.get_encoding("gpt2")
        patch.setenv("TIKTOKEN_CACHE_DIR", "")  # keeps no copy
        ranks = data_gym_to_mergeable_bpe_ranks(*map(str, inputs.gpt2_files(folder)))
    return tiktoken.Encoding("made", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={END: len(ranks)})


def test_gpt2_ids_are_tiktokens(gpt2, input_folder):
    reference = gpt2_of_tiktoken(input_folder)
    assert (gpt2.vocab_size, gpt2.end) == (reference.n_vocab, reference.eot_token) == (50257, 50256)
    play = (input_folder / inputs.PLAY).read_text(encoding="utf-8")[:50_000]
    assert len(gpt2.encode(play)) < len(play) / 2, "it merges"
    for text in [*TEXTS, play]:
        assert gpt2.encode(text).tolist() == reference.encode_ordinary(text)


def test_a_vocabulary_without_room_for_all_bytes_is_refused():
    with pytest.raises(ValueError, match=r"vocab_size=256"):
        TokenizerConfig("bpe", vocab_size=256)


def test_ids_are_int64(tokenizer):
    assert tokenizer.encode("abc").dtype == np.int64
    assert tokenizer.encode("").shape == (0,)
