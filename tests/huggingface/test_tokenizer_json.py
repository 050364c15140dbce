"""Exported tokenizers give every text the ids that ours give it, and are read back as they were."""

import json
import shutil
import string
from pathlib import Path

import inputs
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, models, normalizers
from tokenizers import Tokenizer as Theirs
from transformers import AutoTokenizer, GPT2Tokenizer

from common.errors import InputError
from data import Tokenizer
from data.stories import Stories
from data.text.tokenizers import END, BpeTokenizer, byte_of_symbol, byte_tokenizer, gpt2_tokenizer, train_bpe
from huggingface import tokenizer_json

TEXT = "Tom met Anna.\nHe said, my name is Tom; don't   stop\n\n  now. Grüße 日本語 😀 1234 "
LOOKS_SPECIAL = ("<|endoftext|>", "a <|endoftext|>b", "<|endoftext|><|endoftext|>", " <|endoftext|>\n", "<|end")
CODE_POINTS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
AROUND = "x{0}1{0} {0}{0}'s"  # beside letters, digits, spaces and itself
BYTES = {bytes([byte]): byte for byte in range(256)}


@pytest.fixture(scope="module", params=["bytes", "bpe", *inputs.KINDS])
def ours(request: pytest.FixtureRequest) -> Tokenizer:
    """Of bytes, of a small corpus, and GPT-2's, from files that are made or real."""
    if request.param in ("bytes", "bpe"):
        return byte_tokenizer() if request.param == "bytes" else train_bpe([TEXT * 3, string.printable], 400)
    folder = inputs.REAL if request.param == "real" else request.getfixturevalue("made_inputs")
    with inputs.gpt2_from(folder):
        return gpt2_tokenizer(folder)


def save(tokenizer: Tokenizer, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in tokenizer_json.files(tokenizer, block_size=64).items():
        (folder / name).write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def saved(ours, tmp_path_factory) -> Path:
    return save(ours, tmp_path_factory.mktemp("saved"))


@pytest.fixture(scope="module")
def plain(saved) -> Theirs:
    return Theirs.from_file(str(saved / "tokenizer.json"))


@pytest.fixture(scope="module")
def auto(saved) -> object:
    return AutoTokenizer.from_pretrained(saved)


@settings(max_examples=150)
@given(text=st.text() | st.text(string.printable) | st.sampled_from(LOOKS_SPECIAL))
def test_any_text_has_the_same_ids_and_comes_back(ours, plain, auto, text):
    ids = ours.encode(text).tolist()
    assert plain.encode(text).ids == ids
    assert auto(text)["input_ids"] == ids
    assert plain.decode(ids) == auto.decode(ids) == ours.decode(ids) == text


@pytest.mark.parametrize("name", [r"\p{L}", r"\p{N}", r"\s"])
def test_both_regular_expression_engines_mean_the_same_by_letters_digits_and_space(name):
    """Of every code point: they might know different versions of Unicode."""
    text = "".join(CODE_POINTS)
    matches = tiktoken.Encoding("x", pat_str=name, mergeable_ranks=BYTES, special_tokens={}).encode_ordinary(text)
    ours = set(bytes(matches).decode())
    left = normalizers.Replace(Regex(f"{name}+"), "").normalize_str(text)
    assert set(CODE_POINTS) - set(left) == ours
    assert len(ours) > 20


def test_code_points_beside_letters_digits_and_space_have_the_same_ids(ours, plain):
    """One in 97 of them; what else may differ is only how they are sorted, which the test above asks of all."""
    characters = CODE_POINTS[:0x300] + CODE_POINTS[0x300::97]
    text = "".join(AROUND.format(character) for character in characters)
    assert plain.encode(text).ids == ours.encode(text).tolist()


def test_the_end_token_is_known_but_never_read_from_a_text(ours, auto):
    assert (auto.eos_token_id, auto.bos_token_id, len(auto)) == (ours.end, ours.end, ours.vocab_size)
    assert auto.decode([ours.end, *ours.encode("so")], skip_special_tokens=True) == "so"
    assert auto.convert_tokens_to_ids(END) == ours.end


def test_bytes_that_are_no_text_are_decoded_alike(ours, auto):
    ids = [ours.pieces.index(bytes([byte])) for byte in (0x61, 0xFF, 0xE2, 0x82, 0x62)]
    assert auto.decode(ids) == ours.decode(ids)


def test_it_is_read_back_as_it_was(ours, saved):
    again = tokenizer_json.read(saved)
    assert (again.to_json(), again.vocab_size) == (ours.to_json(), ours.vocab_size)


def test_the_tokenizer_of_a_run_on_stories_begins_every_text_with_their_space(tmp_path):
    ours = train_bpe([Stories.start + TEXT] * 3, 400)
    ours.start = Stories.start
    auto = AutoTokenizer.from_pretrained(save(ours, tmp_path))
    for text in ("Tom met Anna.", "met Tom", TEXT):
        assert auto(text)["input_ids"] == ours.encode(" " + text).tolist() == ours.encode_document(text)[1:].tolist()
    assert tokenizer_json.read(tmp_path).start == " "


def test_what_transformers_saves_of_it_is_read_back_too(tmp_path):
    ours = train_bpe([TEXT * 3], 300)
    auto = AutoTokenizer.from_pretrained(save(ours, tmp_path / "first"))
    auto.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "tokenizer.json").read_text())["added_tokens"], "theirs writes the end token there"
    assert tokenizer_json.read(tmp_path).to_json() == ours.to_json()


def test_gpt2s_own_pair_of_files_is_read(input_folder, tmp_path):
    with inputs.gpt2_from(input_folder):
        ours = gpt2_tokenizer(input_folder)
    merges, vocabulary = inputs.gpt2_files(input_folder)
    shutil.copy(merges, tmp_path / "merges.txt")
    shutil.copy(vocabulary, tmp_path / "vocab.json")
    assert tokenizer_json.read(tmp_path).to_json() == ours.to_json()


def test_merges_that_are_no_text_are_one_line(tmp_path):
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "merges.txt").write_bytes(b"#version: 0.2\n\xff")
    with pytest.raises(InputError, match=r"merges\.txt is damaged: it is no UTF-8"):
        tokenizer_json.read(tmp_path)


def test_a_gpt2_tokenizer_saved_by_transformers_is_read(tmp_path):
    ours = train_bpe([TEXT * 3], 300)
    model = tokenizer_json.files(ours, 64)["tokenizer.json"]["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    GPT2Tokenizer(vocab=model["vocab"], merges=merges).save_pretrained(tmp_path)
    again = tokenizer_json.read(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert again.to_json() == ours.to_json()
    assert again.encode(TEXT).tolist() == theirs(TEXT)["input_ids"]


@pytest.mark.parametrize("beside", ["tokenizer.json", "vocab.json and merges.txt", "nothing"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("added_tokens.json", {"<pad>": 400}),
        ("special_tokens_map.json", {"pad_token": "<pad>"}),
        ("special_tokens_map.json", {"additional_special_tokens": ["<pad>"]}),
        ("tokenizer_config.json", {"pad_token": "<pad>"}),
    ],
)
def test_tokens_that_other_files_add_are_refused(tmp_path, beside, name, content):
    save(train_bpe([TEXT * 3, string.printable], 400), tmp_path)
    model = json.loads((tmp_path / "tokenizer.json").read_text())["model"]
    (tmp_path / "tokenizer_config.json").unlink()
    if beside != "tokenizer.json":
        (tmp_path / "tokenizer.json").unlink()
    if beside == "vocab.json and merges.txt":
        (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
        (tmp_path / "merges.txt").write_text("".join(f"{one} {other}\n" for one, other in model["merges"]))
    tokenizer_json.read(tmp_path)
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"the added token <pad> is not the end token <\|endoftext\|>"):
        tokenizer_json.read(tmp_path)


def test_a_folder_without_tokenizer_files_has_none(tmp_path):
    assert tokenizer_json.read(tmp_path) is None
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 1024, "tokenizer_class": "GPT2Tokenizer"}')
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"eos_token": END, "unk_token": {"content": END}}))
    assert tokenizer_json.read(tmp_path) is None


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tokenizer.model"])
def test_a_folder_with_files_of_another_tokenizer_is_refused(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=rf"/{name}: belongs to a tokenizer that cannot be read; give tokenizer.json"):
        tokenizer_json.read(tmp_path)


def test_a_folder_that_names_another_tokenizer_is_refused(tmp_path):
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    with pytest.raises(InputError, match=r"tokenizer_class=LlamaTokenizer, whose files are missing"):
        tokenizer_json.read(tmp_path)


def test_a_token_that_no_merge_reaches_is_met_as_a_word_alone():
    """tiktoken looks words up before it merges; ids that were made by hand need not be reachable."""
    ranks = BYTES | {b"abc": 256}
    ours = BpeTokenizer("bpe", ranks, tokenizer_json.WORD_PATTERN)
    plain = Theirs.from_str(json.dumps(tokenizer_json.files(ours, 64)["tokenizer.json"]))
    for text in ("abc", "abcd", " abc", "abc abc'd"):
        assert plain.encode(text).ids == ours.encode(text).tolist()


def rename_end(content, config):
    vocab = content["model"]["vocab"]
    vocab["<end>"] = vocab.pop(END)
    config["eos_token"] = None


def end_first(content, config):
    content["model"]["vocab"] = {token: (i + 1) % 400 for token, i in content["model"]["vocab"].items()}


def swap_merges(content, config):
    merges = content["model"]["merges"]
    merges[0], merges[1] = merges[1], merges[0]


def lose_a_byte(content, config):
    letters = {byte: letter for letter, byte in byte_of_symbol().items()}
    content["model"]["vocab"]["zz"] = content["model"]["vocab"].pop(letters[7])


def set_(place: str, **values: object):
    def change(content, config):
        part = {"config": config, "content": content, "model": content["model"]}[place]
        part |= values

    return change


SPECIAL = {"id": 400, "content": "<pad>", "special": True}
OTHER_TOKEN = "the added token <pad> is not the end token <|endoftext|>; only that can be one"
BOS = [{"SpecialToken": {"id": END, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_("model", type="Unigram"), "its model is Unigram; only byte-level BPE can be read"),
        (set_("model", dropout=0.1), "dropout=0.1 cannot be read"),
        (set_("model", end_of_word_suffix="</w>"), "end_of_word_suffix=</w> cannot be read"),
        (set_("content", normalizer={"type": "NFC"}), "normalizer=NFC is not supported"),
        (set_("content", pre_tokenizer={"type": "Whitespace"}), "cuts text in another way than GPT-2"),
        (set_("content", pre_tokenizer=None), "cuts text in another way than GPT-2"),
        (set_("content", added_tokens=[SPECIAL, {**SPECIAL, "content": END}]), OTHER_TOKEN),
        (set_("content", added_tokens=[SPECIAL]), OTHER_TOKEN),
        (set_("config", pad_token="<pad>"), OTHER_TOKEN),
        (set_("config", pad_token=SPECIAL), OTHER_TOKEN),
        (set_("config", image_token="<pad>"), OTHER_TOKEN),
        (set_("config", additional_special_tokens=["<pad>"]), OTHER_TOKEN),
        (set_("config", extra_special_tokens=[SPECIAL]), OTHER_TOKEN),
        (set_("config", extra_special_tokens={"pad": "<pad>"}), OTHER_TOKEN),
        (set_("config", added_tokens_decoder={"400": SPECIAL}), OTHER_TOKEN),
        (set_("config", added_tokens_decoder={"0": {"content": END}}), "its end token <|endoftext|> has id 0"),
        (set_("config", added_tokens_decoder={"x": SPECIAL}), "is damaged or no tokenizer"),
        (set_("content", post_processor={"type": "TemplateProcessing", "single": BOS}), "post_processor=Template"),
        (set_("config", add_prefix_space=True), "adds a space or a token to every text"),
        (rename_end, "its end token <|endoftext|> has id None; it must be the last of 400"),
        (end_first, "its end token <|endoftext|> has id 0; it must be the last of 400"),
        (swap_merges, "its merges are not in the order of its ids"),
        (lose_a_byte, "some bytes have no token"),
        (set_("model", merges=[]), "its merges are not in the order of its ids"),
        (set_("model", vocab=None), "is damaged or no tokenizer"),
    ],
)
def test_a_tokenizer_with_other_ids_is_refused_in_one_line(tmp_path, change, message):
    save(train_bpe([TEXT * 3, string.printable], 400), tmp_path)
    content, config = (
        json.loads((tmp_path / name).read_text()) for name in ("tokenizer.json", "tokenizer_config.json")
    )
    assert len(content["model"]["vocab"]) == 400
    change(content, config)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError) as caught:
        tokenizer_json.read(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": 3}', "\x00"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match=r"tokenizer.json is damaged"):
        tokenizer_json.read(tmp_path)


def test_the_reference_splits_of_hugging_face_are_ours(tmp_path):
    """Merges that ``tokenizers`` learned are those that ours derives from ranks alone."""
    from tokenizers import pre_tokenizers, trainers

    trained = Theirs(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator([TEXT * 3, string.printable * 2, "aaaa aaa abab babab" * 9], trainer)
    trained.save(str(tmp_path / "tokenizer.json"))
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    n = len(content["model"]["vocab"])
    content["added_tokens"] = [{"id": n, "content": "</s>", "special": True}]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    ours = tokenizer_json.read(tmp_path)
    assert (ours.end, ours.encode(TEXT).tolist()) == (n, trained.encode(TEXT).ids)
    again = tokenizer_json.files(ours, 64)["tokenizer.json"]["model"]["merges"]
    assert again == [merge.split(" ") if isinstance(merge, str) else merge for merge in content["model"]["merges"]]
