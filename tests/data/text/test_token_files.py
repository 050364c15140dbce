"""Files of ids as a corpus: what is read, mapped and named, and what is refused, in one line each."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from data import Dataset, TokenFiles, TokenizerConfig, prepare
from data.text.held_out import read_ids
from data.text.token_files import read_names
from data.text.tokenizers import CharacterTokenizer, IdTokenizer, byte_tokenizer

IDS = [0, 3, 1, 2, 0, 3, 2, 1, 0, 4]
PLAIN = TokenizerConfig("ids")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def dataset(path: str = "ids.bin", tokenizer=PLAIN, **settings) -> Dataset:
    return prepare(TokenFiles(path, **settings), tokenizer, Path("cache"))


def refusal(call, *arguments, **settings) -> str:
    with pytest.raises((InputError, ValueError)) as caught:
        call(*arguments, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def save(name: str = "ids.bin", ids=IDS, dtype: str = "<u2") -> None:
    np.array(ids, dtype=dtype).tofile(name)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "<u4", ">i8"])
def test_the_same_ids_come_out_of_every_type(dtype):
    np.save("ids.npy", np.array(IDS, dtype=dtype))
    read = dataset("ids.npy", val_fraction=0.3)
    assert (read.train.read(0, 7).tolist(), read.val.read(0, 3).tolist()) == (IDS[:7], IDS[7:])
    assert (len(read.train), len(read.val), read.tokenizer.vocab_size, read.val_bytes) == (7, 3, 5, None)


def test_the_type_of_raw_ids_says_nothing_of_npy_files_beside_them():
    save("ids.bin", IDS, "<u4")
    np.save("val.npy", np.array(IDS[:3], dtype="uint8"))
    read = dataset("ids.bin", val_path="val.npy", dtype="uint32")
    assert (len(read.train), read.val.read(0, 3).tolist()) == (10, IDS[:3])


def test_raw_files_are_uint16_unless_said_otherwise_and_nothing_is_copied():
    save()
    save("wide.bin", IDS, "<u4")
    save("val.bin", [1, 2, 300], "<u2")
    read = dataset(val_path="val.bin")
    assert (read.train.read(0, 10).tolist(), read.val.read(0, 3).tolist()) == (IDS, [1, 2, 300])
    assert read.tokenizer.vocab_size == 301
    assert isinstance(read.train.arrays[0], np.memmap)
    assert not Path("cache").exists()
    assert dataset("wide.bin", dtype="uint32").train.read(0, 9).tolist() == IDS[:9]


def test_the_key_is_of_all_tokens_their_split_and_their_names():
    save()
    keys = [dataset(**settings).key for settings in ({}, {"val_fraction": 0.2}, {"vocab_size": 6}, {"end": 0})]
    Path("ids.bin").rename("moved.bin")
    assert dataset("moved.bin").key == keys[0]
    save("moved.bin", [*IDS[:-1], 3])
    assert len({*keys, dataset("moved.bin", vocab_size=5).key}) == 5


def test_the_vocabulary_is_the_names_or_what_is_said_or_the_largest_id():
    save()
    Path("names.txt").write_text("start\r\ne4\r\n e5 \nd4\nNf3\n", encoding="utf-8")
    tokenizer = dataset(names="names.txt", end=0).tokenizer
    assert isinstance(tokenizer, IdTokenizer)
    assert (tokenizer.names[:3], tokenizer.end, tokenizer.vocab_size) == (["start", "e4", "e5"], 0, 5)
    assert dataset(vocab_size=9).tokenizer.names == [*"012345678"]
    assert dataset(end=0).tokenizer.end == 0


@pytest.mark.parametrize("content", [["a", "b", "c"], {"a": 0, "c": 2, "b": 1}, {"0": "a", "2": "c", "1": "b"}])
def test_names_are_lists_or_dictionaries_in_json(content):
    Path("names.json").write_text(json.dumps(content))
    assert read_names("names.json") == ["a", "b", "c"]


def test_with_the_characters_of_nanogpt_ids_are_text():
    meta = {"vocab_size": 5, "itos": dict(enumerate("\n abé")), "stoi": {}}
    Path("meta.pkl").write_bytes(pickle.dumps(meta))
    save()
    read = dataset(names="meta.pkl", val_fraction=0.2)
    assert isinstance(read.tokenizer, CharacterTokenizer)
    assert (read.tokenizer.decode(IDS), read.val_bytes) == ("\nb a\nba \né", 3)
    assert refusal(dataset, names="meta.pkl", end=0) == "data.end=0: characters (data.names=meta.pkl) have no end token"


def test_a_tokenizer_that_exists_is_kept_if_it_has_these_ids():
    save()
    names = IdTokenizer(["a", "b", "c", "d", "e"])
    assert dataset(tokenizer=names).tokenizer is names
    assert dataset(tokenizer=byte_tokenizer()).val_bytes == 1
    few = IdTokenizer(3)
    assert refusal(dataset, tokenizer=few) == "data.path=ids.bin: its ids go up to 4, and those of the model to 2"
    assert refusal(read_ids, "ids.bin", "text_file", few, None) == (
        "text_file=ids.bin: its ids are 0 to 4, and those of the model 0 to 2"
    )


def test_what_are_no_ids_is_refused():
    def refused(name: str, key: str = "data.path", **settings) -> str:
        message = refusal(dataset, name, **settings)
        assert message.startswith(f"{key}={name}: ")
        return message.removeprefix(f"{key}={name}: ")

    Path("folder").mkdir()
    assert refused("none.bin") == "there is no such file"
    assert refused("folder") == "is a folder; give a file of ids, .bin or .npy"
    Path("some.txt").write_text("1 2")
    assert refused("some.txt") == "is no file of ids, .npy or .bin (raw uint16 or uint32); text is read by data=files"
    for content in (b"", b"123"):
        Path("odd.bin").write_bytes(content)
        assert refused("odd.bin") in (
            "is empty",
            "has 3 bytes, which are no whole number of ids of 2 bytes (uint16); copy it again, or give data.dtype",
        )
    save("wide.bin", IDS, "<u4")
    assert refused("wide.bin").startswith("every second id is 0, as where ids of 4 bytes are read as uint16; give")
    assert dataset("wide.bin", dtype="uint16").tokenizer.vocab_size == 5
    for array, reason in (
        (np.zeros(0, dtype=int), "is empty"),
        (np.zeros((2, 3), dtype=int), "has the shape (2, 3); ids are one long row: save ids.ravel()"),
        (np.zeros(3), "has numbers of type float64; ids are whole numbers, such as uint16"),
        (np.zeros(3, dtype=bool), "has numbers of type bool; ids are whole numbers, such as uint16"),
    ):
        np.save("bad.npy", array)
        assert refused("bad.npy") == reason
    np.save("bad.npy", np.array([1, 2, -3, 4] * 9))
    assert refusal(dataset, "bad.npy") == "data.path=bad.npy: has the id -3; ids are 0 or more"


@pytest.mark.parametrize(("zeros", "n"), [(40_000, 999), (3_000_000, 1), (3_000_001, 100), (9, 1)])
def test_ids_of_four_bytes_after_many_zeros_are_not_read_as_twice_as_many(zeros, n):
    save(ids=[0] * zeros + [7] * n, dtype="<u4")
    assert "every second id is 0, as where ids of 4 bytes are read as uint16; give" in refusal(dataset)
    save(ids=[0] * zeros + [7] * 99)
    assert dataset().tokenizer.vocab_size == 8


def test_ids_of_eight_bytes_are_a_whole_number_of_them():
    save(ids=[7, 0, 7, 0, 7], dtype="<u4")
    assert "where ids of 4 bytes are read" in refusal(dataset)
    save(ids=[7, 0, 7, 0], dtype="<u4")
    assert "where ids of 8 bytes are read" in refusal(dataset)


def test_ids_of_four_bytes_above_65_535_are_not_read_as_twice_as_many():
    ids = np.random.default_rng(0).integers(0, 128_000, 5_000)
    save("wide.bin", ids, "<u4")
    assert refusal(dataset, "wide.bin") == (
        "data.path=wide.bin: every second id is at most 1, as where ids of 4 bytes are read as uint16; give "
        "data.dtype=uint32, or give data.dtype=uint16 if it is right"
    )
    assert dataset("wide.bin", dtype="uint32").train.read(0, 9).tolist() == ids[:9].tolist()
    for most in (3, 5_000):  # a vocabulary so small that all halves would be, and one of which every second id is not
        save("small.bin", ids % most)
        assert dataset("small.bin").tokenizer.vocab_size == most
    save("few.bin", [1000, 5, 2000, 3])
    assert dataset("few.bin", val_fraction=0.3).tokenizer.vocab_size == 2001


@pytest.mark.parametrize("vocab_size", [500, 128_000])
def test_ids_of_eight_bytes_are_to_be_saved_as_npy(vocab_size):
    save("wide.bin", np.random.default_rng(0).integers(0, vocab_size, 5_000), "<i8")
    message = refusal(dataset, "wide.bin")
    assert "as where ids of 8 bytes are read as uint16; save its ids as .npy, or give data.dtype=uint16" in message


def test_what_cannot_be_read_as_uint16_is_saved_as_npy_where_no_key_says_its_type():
    wide = np.arange(99, dtype="<u4")
    wide.tofile("wide.bin")
    Path("odd.bin").write_bytes(b"123")
    tokenizer = IdTokenizer(99)
    assert refusal(read_ids, "wide.bin", "text_file", tokenizer, None) == (
        "text_file=wide.bin: every second id is 0, as where ids of 4 bytes are read as uint16; save its ids as .npy"
    )
    assert refusal(read_ids, "odd.bin", "text_file", tokenizer, None).endswith("copy it again, or save its ids as .npy")
    np.save("wide.npy", wide)
    assert read_ids("wide.npy", "text_file", tokenizer, None).tolist() == wide.tolist()


@pytest.mark.parametrize("content", [pickle.dumps([1, 2]), b"", b"\x93NUMPY\x01\x00"])
def test_no_npy_is_ever_unpickled(content):
    Path("bad.npy").write_bytes(content)
    assert refusal(dataset, "bad.npy").startswith("data.path=bad.npy: cannot be read (")


def test_an_array_of_objects_is_not_unpickled():
    np.save("bad.npy", np.array([1, {}], dtype=object), allow_pickle=True)
    assert "data.path=bad.npy: cannot be read (Array can't be memory-mapped: Python objects" in refusal(
        dataset, "bad.npy"
    )


def test_settings_that_contradict_the_files_are_refused():
    save()
    np.save("ids.npy", np.array(IDS))
    Path("names.txt").write_text("a\nb\nc\nd\n")
    assert refusal(dataset, "ids.npy", dtype="uint16") == (
        "data.dtype=uint16: ids.npy says itself of what type it is; leave data.dtype out"
    )
    assert refusal(dataset, names="names.txt") == (
        "data.path=ids.bin: its ids go up to 4, and those of data.names=names.txt to 3"
    )
    assert refusal(dataset, vocab_size=3) == "data.path=ids.bin: its ids go up to 4, and those of data.vocab_size to 2"
    assert refusal(dataset, names="names.txt", vocab_size=9) == (
        "data.vocab_size=9: data.names=names.txt has 4 names; leave data.vocab_size out"
    )
    assert refusal(dataset, end=7) == "data.end=7: is nowhere in data.path=ids.bin; leave it out if nothing ends"
    assert refusal(dataset, vocab_size=3, end=4) == "data.end=4: is no id of a vocabulary of 3"
    assert refusal(dataset, val_path="./ids.bin") == (
        "data.val_path=./ids.bin: is the file that is trained on; give another one"
    )
    save("wide.bin", [1, 2, 1 << 30, 4], "<u4")
    assert "its largest id is 1,073,741,824, and a vocabulary has at most 1,048,576 ids" in refusal(
        dataset, "wide.bin", dtype="uint32", val_fraction=0.5
    )
    assert refusal(TokenFiles, "ids.bin", val_path="val.bin", val_fraction=0.1).startswith("val_fraction=0.1: ")
    assert refusal(TokenFiles, "ids.bin", end=-1) == "end=-1: must be an id, 0 to 1,048,575"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("names.txt", "", "is empty"),
        ("names.txt", "a\n\nb\n", "the id 1 has an empty name"),
        ("names.txt", "a\u2028b\n", "the id 0 has a name with a line break"),
        ("names.json", '["a", "b\\n"]', "the id 1 has a name with a line break"),
        ("names.json", '["a", 1]', "names no ids (it is neither a list of names nor a dictionary)"),
        ("names.json", '{"a": 0, "b": 2}', "names no ids (the id 1 has no name)"),
        ("names.json", '{"a": 0, "b": 0}', "names no ids (a dictionary has a different id for each name)"),
        ("names.json", "[", "names no ids (Expecting value"),
        ("names.txt", "a\nb\na\nd\ne\n", "'a' is the name of several tokens; each needs its own"),
    ],
)
def test_names_that_name_no_ids_are_refused(name, content, reason):
    save()
    Path(name).write_text(content, encoding="utf-8")
    assert refusal(dataset, names=name).startswith(f"data.names={name}: {reason}")
