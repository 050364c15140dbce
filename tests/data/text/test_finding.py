"""Which files a folder or a glob names: each once, whatever the links; and what is left out is counted."""

import os

import pytest

from common.errors import InputError
from data.text.finding import find_files


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names_below(folder, path):
    return [str(file.relative_to(folder)) for file in find_files(str(path)).files]


@pytest.mark.parametrize("path", ["texts", "texts/**", "texts/**/*.txt"])
def test_links_are_followed_once_by_a_folder_and_by_a_glob(tmp_path, path):
    make(tmp_path, "texts/a.txt", "texts/sub/b.txt", "elsewhere/c.txt")
    (tmp_path / "texts/sub/loop").symlink_to("..")
    (tmp_path / "texts/sub/itself").symlink_to("itself")
    (tmp_path / "texts/again.txt").symlink_to("a.txt")
    (tmp_path / "texts/linked").symlink_to("../elsewhere")
    assert names_below(tmp_path / "texts", tmp_path / path) == ["a.txt", "linked/c.txt", "sub/b.txt"]


def test_a_hard_link_is_a_file_of_its_own(tmp_path):
    make(tmp_path, "a.txt")
    os.link(tmp_path / "a.txt", tmp_path / "b.txt")
    assert names_below(tmp_path, tmp_path) == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", ["a.txt"]),
        ("*/*.txt", ["x/b.txt", "y/c.txt"]),
        ("?/b.txt", ["x/b.txt"]),
        ("**/c.txt", ["y/c.txt", "y/z/c.txt"]),
        ("**/z/**", ["y/z/c.txt"]),
        ("[ax]*/**", ["x/b.txt"]),
        (".*/*", [".hidden/d.txt"]),
    ],
)
def test_globs_match_part_by_part(tmp_path, pattern, expected):
    make(tmp_path, "a.txt", "x/b.txt", "y/c.txt", "y/z/c.txt", ".hidden/d.txt")
    assert names_below(tmp_path, tmp_path / pattern) == expected


def test_what_is_read_and_what_is_left_out_is_counted_by_suffix(tmp_path):
    make(tmp_path, "a.txt", "b.txt.gz", "c.jsonl", "d.TXT", "e.pdf", "f.pdf", "g", "h.tar.gz")
    (tmp_path / "i.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "j.txt")
    assert find_files(str(tmp_path)).note() == (
        "4 files are read (2 .txt, 1 .txt.gz, 1 .jsonl); "
        "6 are left out (2 .pdf, 1 without a suffix, 1 .tar.gz, 1 no regular file, 1 broken link)"
    )


def test_many_suffixes_are_counted_together_and_shown_safely(tmp_path):
    make(tmp_path, "a.txt", *(f"b.{i}" for i in range(20)), *(f"c{i}.\x1b\udc80" for i in range(2)))
    assert (
        find_files(str(tmp_path))
        .note()
        .endswith(
            "22 are left out (2 .␛\\udc80, "
            + ", ".join(f"1 .{i}" for i in sorted(map(str, range(20)))[:7])
            + ", 13 others)"
        )
    )


@pytest.mark.parametrize("path", ["texts", "texts/**/*.txt"])
def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch, path):
    make(tmp_path, "texts/a.txt", "texts/locked/b.txt")
    scandir = os.scandir

    def refuse(folder):
        if os.path.basename(folder) == "locked":
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"texts/locked cannot be read \(Permission denied\); allow it, or"):
        find_files(str(tmp_path / path))


def test_where_nothing_can_be_read_what_is_there_is_counted(tmp_path):
    make(tmp_path, "a.json", "b.json")
    with pytest.raises(InputError, match=r"no files to read there; 2 are left out \(2 \.json\); known are"):
        find_files(str(tmp_path))


def test_folders_that_a_glob_matches_are_not_read_and_counted(tmp_path):
    make(tmp_path, "a.txt", "2019/b.txt", "2020/c.txt", "2020/deep/d.txt")
    found = find_files(str(tmp_path / "*"))
    assert [path.name for path in found.files] == ["a.txt"]
    assert found.left_out_note() == "2 are left out (2 folders (** reads what is in them))"
    with pytest.raises(InputError, match=r"no files to read there; 2 are left out \(2 folders \(\*\* reads"):
        find_files(str(tmp_path / "20*"))
    for all_below in (tmp_path, tmp_path / "**", tmp_path / "**" / "*"):
        assert len(find_files(str(all_below)).files) == 4
        assert not find_files(str(all_below)).left_out


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_json_is_refused_with_what_makes_it_lines(tmp_path, name):
    make(tmp_path, name)
    with pytest.raises(InputError, match=r"is not read; .* \.jsonl .* jq -c '\.\[\]'"):
        find_files(str(tmp_path / name))


@pytest.mark.parametrize("path", ["pipe.txt", "/dev/null"])
def test_a_pipe_or_device_is_refused_as_what_it_is(tmp_path, path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(InputError, match=r"is a pipe or device, .*; write it to a file first"):
        find_files(str(tmp_path / path))


RUN = ("config.yaml", "tokenizer.json", "checkpoints/1/state.json", "metrics.jsonl", "samples/1.txt")
EXPORT = ("export.json", "config.json", "model.safetensors", "notes.md")


def in_(folder, names):
    return [f"{folder}/{name}" for name in names]


@pytest.mark.parametrize("path", ["", "**", "**/*.*", "**/samples/*.txt"])
def test_runs_exports_and_the_cache_are_no_corpus(tmp_path, path):
    make(tmp_path, "samples/a.txt", *in_("runs/x", RUN), *in_("out", EXPORT))
    make(tmp_path, "cache/downloads/b.txt", "cache/tokens/c/tokenizer.json", "runs/.x.starting-1/samples/1.txt")
    (tmp_path / "again").symlink_to("cache/downloads")
    (tmp_path / "latest").symlink_to("runs/x")
    found = find_files(str(tmp_path / path), cache=tmp_path / "cache")
    assert [str(file.relative_to(tmp_path)) for file in found.files] == ["samples/a.txt"]
    if path in ("", "**"):
        assert found.left_out == {"of runs": 5, "of exports": 4, "of the cache": 2}


def test_a_cache_among_the_texts_leaves_these_alone(tmp_path):
    make(tmp_path, "a.txt", "downloads/b.txt", "c/downloads/d.txt")
    assert [file.name for file in find_files(str(tmp_path), cache=tmp_path).files] == ["a.txt", "d.txt"]


@pytest.mark.parametrize("path", ["runs/x/samples", "runs/x/samples/*.txt", "runs/x/samples/1.txt"])
def test_what_is_named_outright_is_read_also_of_a_run(tmp_path, path):
    make(tmp_path, *in_("runs/x", RUN))
    assert names_below(tmp_path, tmp_path / path) == ["runs/x/samples/1.txt"]


def test_where_there_are_only_runs_they_are_named(tmp_path):
    make(tmp_path, *in_("runs/x", RUN))
    with pytest.raises(InputError, match=r"no files to read there; 5 are left out \(5 of runs\)"):
        find_files(str(tmp_path))
