"""How fast text becomes a prepared corpus, beside tiktoken's own rate, and in how much memory:

``python -m benchmarks.tokenizing [--megabytes 72 --rounds 8] [--gigabytes 2] [--kind txt] [--tokenizer bpe] [--learn]``

The text is generated. First a race over ``--megabytes`` of it, in one process, by turns (``--rounds 0``: none). Ours is
the whole of ``prepare``: reading, decoding, cutting, encoding, hashing, writing, and proving what was written.
tiktoken's own rate is that of its encoder on all cores over the same documents, which are in memory when the clock
starts: by ``encode_ordinary_batch``, with which its own benchmark measures it, and by a thread a core that calls
``encode_ordinary``, or ``encode_to_numpy``, which makes no lists. Then (``--gigabytes 0``: not) ``prepare`` makes
tokens of a larger file, in a process of its own (``--learn``: learning the merges, too), whose memory is the most that
it ever had (VmHWM), the interpreter and its libraries included.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.measuring import median_and_range, ratios, resident_memory
from common.errors import InputError
from common.one_line import run
from common.options import require_at_least
from data import Files, Tokenizer, TokenizerConfig, prepare
from data.text.building import usable_cores
from data.text.files import read_pieces
from data.text.pieces import Counts, utf8_length
from data.text.tokenizers import BpeTokenizer, gpt2_tokenizer, train_bpe

WORDS, WORDS_PER_BATCH, VOCABULARY = 40_000, 200_000, 8_192
SYLLABLES = "ba ce di fo gu la me ni or pu ra se ti un ve wa ex is qua stra ing tion ment ly er".split()


def paragraphs(seed: int) -> Iterator[str]:
    """Endless text: words of syllables, as often as words are (Zipf), in sentences, in paragraphs."""
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(SYLLABLES, size=rng.integers(1, 5))) for _ in range(WORDS)]
    often = 1 / np.arange(1, WORDS + 1)
    often /= often.sum()
    while True:
        ends = np.cumsum(rng.integers(4, 24, size=WORDS_PER_BATCH // 10))
        chosen = rng.choice(WORDS, p=often, size=ends[-1])
        sentences = [
            " ".join(words[i] for i in chosen[start:end]).capitalize() + ". "
            for start, end in zip([0, *ends], ends, strict=False)
        ]
        for i in range(0, len(sentences), 8):
            yield "".join(sentences[i : i + 8])


def generate(path: Path, n_bytes: int) -> None:
    """A file of about ``n_bytes``; in .jsonl and .parquet a paragraph is a document."""
    texts, done = paragraphs(seed=0), 0
    if path.suffix == ".parquet":
        import pyarrow as arrow
        import pyarrow.parquet

        with arrow.parquet.ParquetWriter(path, arrow.schema([("text", arrow.string())])) as writer:
            while done < n_bytes:
                group = list(islice(texts, 5_000))
                done += sum(map(len, group))
                writer.write_table(arrow.table({"text": group}))
        return
    with open(path, "w", encoding="utf-8") as file:
        for text in texts:
            done += file.write(text + "\n" if path.suffix == ".txt" else json.dumps({"text": text}) + "\n")
            if done >= n_bytes:
                return


def race(path: Path, made: BpeTokenizer, rounds: int) -> None:
    """Ours and tiktoken over one file, by turns; prints every rate and the ratio."""
    threads, cache = usable_cores(), path.parent / "cache"
    texts = [piece.text for piece in read_pieces(path, "text", Counts())]
    n_bytes = sum(map(utf8_length, texts))
    shares = [texts[i::threads] for i in range(threads)]

    def ours() -> None:
        prepare(Files(str(path)), made, cache)

    def batch() -> None:
        made.encoding.encode_ordinary_batch(texts, num_threads=threads)

    def by_threads(encode: Callable[[str], object]) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda share: [encode(text) for text in share], shares))

    sides = {
        "ours, all of prepare": ours,
        "tiktoken, batch": batch,
        "tiktoken, threads": lambda: by_threads(made.encoding.encode_ordinary),
        "tiktoken, threads, arrays": lambda: by_threads(partial(made.encoding.encode_to_numpy, disallowed_special=())),
    }
    rates = {name: [] for name in sides}
    for i in range(rounds):
        names = list(sides)
        for name in (names[i % len(names) :] + names[: i % len(names)])[:: 1 if i % 2 else -1]:
            started = time.perf_counter()
            sides[name]()
            rates[name].append(n_bytes / 1e6 / (time.perf_counter() - started))
            shutil.rmtree(cache, ignore_errors=True)
    for name, values in rates.items():
        print(f"{name}: {median_and_range(values, 1)} MB/s")
    mine = rates.pop("ours, all of prepare")
    print(f"{path.suffix} of {n_bytes / 1e6:.0f} MB, {made.kind}, {threads} cores, {rounds} rounds")
    for name, values in rates.items():
        print(f"ours / {name}: {ratios(mine, values)}", flush=True)


def whole(path: Path, tokenizer: Path, learn: bool) -> None:
    """Prepares one file; prints how fast, and in how much memory."""
    made = TokenizerConfig() if learn else Tokenizer.load(tokenizer)
    started = time.perf_counter()
    dataset = prepare(Files(str(path)), made, path.parent / "cache")
    seconds = time.perf_counter() - started
    manifest = json.loads((dataset.folder / "manifest.json").read_bytes())
    n_bytes = sum(manifest[split]["bytes"] for split in ("train", "val"))
    print(f"{path.suffix} of {n_bytes / 1e9:.2f} GB of text", end=": ")
    print(f"{seconds:.0f} s, {n_bytes / 1e6 / seconds:.1f} MB/s, most memory {resident_memory() / 1e6:.0f} MB")


def main(options: argparse.Namespace) -> None:
    require_at_least(options, {"gigabytes": 0, "megabytes": 1, "rounds": 0})
    if options.folder and not options.folder.is_dir():
        raise InputError(f"--folder {options.folder}: there is no such folder; make it first")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        made = (
            gpt2_tokenizer(Path("cache"))
            if options.tokenizer == "gpt2"
            else train_bpe(islice(paragraphs(seed=0), 20_000), VOCABULARY)
        )
        path, tokenizer = Path(name) / f"text.{options.kind}", Path(name) / "tokenizer.json"
        tokenizer.write_text(made.to_json(), encoding="utf-8")
        if options.rounds:
            generate(path, options.megabytes * 1_000_000)
            race(path, made, options.rounds)
        if options.gigabytes:
            generate(path, int(options.gigabytes * 1e9))
            command = ["-m", "benchmarks.tokenizing", "--whole", str(path), "--vocabulary", str(tokenizer)]
            subprocess.run([sys.executable, *command, *(["--learn"] if options.learn else [])], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--megabytes", type=int, default=72)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--kind", choices=("txt", "jsonl", "parquet"), default="txt")
    parser.add_argument("--tokenizer", choices=("bpe", "gpt2"), default="bpe")
    parser.add_argument("--learn", action="store_true", help="the merges, as part of ours")
    parser.add_argument("--folder", type=Path, help="where the text and the tokens are for a while")
    parser.add_argument("--whole", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--vocabulary", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.whole:
        whole(given.whole, given.vocabulary, given.learn)
    else:
        run(partial(main, given))
