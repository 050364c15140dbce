"""How fast text becomes a prepared corpus, beside tiktoken's own rate, and in how much memory:

``python -m benchmarks.tokenizing [--gigabytes 2] [--rounds 3] [--kind txt] [--tokenizer bpe] [--learn]``

The text is generated. Ours is the whole of ``prepare`` in a process of its own: reading, decoding, cutting, encoding,
hashing, writing, and proving what was written; ``--learn``: learning the merges, too. tiktoken's own rate is that of
its encoder on all cores over up to IN_MEMORY bytes of the same documents, which are in memory when the clock starts:
the quicker of its ``encode_ordinary_batch`` and of a thread a core that calls ``encode_ordinary``. Both take turns.
Memory is the most that the process ever had (VmHWM), the interpreter and its libraries included.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np

from data import Files, Tokenizer, TokenizerConfig, prepare
from data.files import Replacements, read_pieces, utf8_length
from data.tokenizers import gpt2_tokenizer, train_bpe

IN_MEMORY = 64 << 20  # bytes
WORDS, WORDS_AT_ONCE, VOCABULARY = 40_000, 200_000, 8_192
SYLLABLES = "ba ce di fo gu la me ni or pu ra se ti un ve wa ex is qua stra ing tion ment ly er".split()


def paragraphs(seed: int) -> Iterator[str]:
    """Endless text: words of syllables, as often as words are (Zipf), in sentences, in paragraphs."""
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(SYLLABLES, size=rng.integers(1, 5))) for _ in range(WORDS)]
    often = 1 / np.arange(1, WORDS + 1)
    often /= often.sum()
    while True:
        ends = np.cumsum(rng.integers(4, 24, size=WORDS_AT_ONCE // 10))
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
                group = list(islice(texts, 20_000))
                done += sum(map(len, group))
                writer.write_table(arrow.table({"text": group}))
        return
    with open(path, "w") as file:
        for text in texts:
            done += file.write(text + "\n" if path.suffix == ".txt" else json.dumps({"text": text}) + "\n")
            if done >= n_bytes:
                return


def most_memory() -> int:
    """MB that this process ever had."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1000


def ours(path: Path, tokenizer: Path, learn: bool) -> dict:
    made = TokenizerConfig() if learn else Tokenizer.load(tokenizer)
    cache = path.parent / "cache"
    started = time.perf_counter()
    dataset = prepare(Files(str(path)), made, cache)
    seconds = time.perf_counter() - started
    n_bytes = sum(
        json.loads((dataset.folder / "manifest.json").read_text())[split]["bytes"] for split in ("train", "val")
    )
    shutil.rmtree(cache)
    return {"rate": n_bytes / 1e6 / seconds, "seconds": seconds, "memory": most_memory()}


def theirs(path: Path, tokenizer: Path) -> dict:
    encoding, threads = Tokenizer.load(tokenizer).encoding, os.cpu_count() or 1
    texts, n_bytes = [], 0
    for piece in read_pieces(path, "text", Replacements()):
        texts.append(piece.text)
        n_bytes += utf8_length(piece.text)
        if n_bytes >= IN_MEMORY:
            break

    def by_threads() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda share: [encoding.encode_ordinary(text) for text in share], shares))

    shares = [texts[i::threads] for i in range(threads)]
    seconds = {}
    for name, race in (
        ("batch", lambda: encoding.encode_ordinary_batch(texts, num_threads=threads)),
        ("threads", by_threads),
    ):
        started = time.perf_counter()
        race()
        seconds[name] = time.perf_counter() - started
    best = min(seconds, key=seconds.get)
    return {"rate": n_bytes / 1e6 / seconds[best], "seconds": seconds[best], "how": best}


def run(side: str, *arguments: str) -> dict:
    command = [sys.executable, "-m", "benchmarks.tokenizing", "--side", side, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        path, tokenizer = Path(name) / f"text.{options.kind}", Path(name) / "tokenizer.json"
        generate(path, int(options.gigabytes * 1e9))
        sample = islice(paragraphs(seed=0), 20_000)
        made = gpt2_tokenizer(Path("cache")) if options.tokenizer == "gpt2" else train_bpe(sample, VOCABULARY)
        tokenizer.write_text(made.to_json())
        arguments = ["--path", str(path), "--vocabulary", str(tokenizer), *(["--learn"] if options.learn else [])]
        rounds = []
        for i in range(options.rounds):
            first, second = ("ours", "theirs") if i % 2 else ("theirs", "ours")
            said = {first: run(first, *arguments), second: run(second, *arguments)}
            rounds.append((said["ours"], said["theirs"]))
            mine, other = rounds[-1]
            print(
                f"round {i + 1}: ours {mine['rate']:.1f} MB/s, {mine['seconds']:.1f} s, {mine['memory']} MB; "
                f"tiktoken {other['rate']:.1f} MB/s ({other['how']}); ratio {mine['rate'] / other['rate']:.2f}",
                flush=True,
            )
        ratios = [mine["rate"] / other["rate"] for mine, other in rounds]
        rates = [[side["rate"] for side in sides] for sides in zip(*rounds, strict=True)]
        for who, values in zip(("ours, all of prepare", "tiktoken's own rate"), rates, strict=True):
            print(f"{who}: {median(values):.1f} MB/s ({min(values):.1f}-{max(values):.1f})")
        print(f"ratio {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})", end="; ")
        print(f"{path.suffix} of {path.stat().st_size / 1e9:.2f} GB, {made.kind}, {os.cpu_count()} cores", end="; ")
        print(f"most memory {max(mine['memory'] for mine, _ in rounds)} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=("txt", "jsonl", "parquet"), default="txt")
    parser.add_argument("--tokenizer", choices=("bpe", "gpt2"), default="bpe")
    parser.add_argument("--learn", action="store_true", help="the merges, as part of ours")
    parser.add_argument("--folder", help="where the text and the tokens are for a while")
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--vocabulary", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side == "ours":
        print(json.dumps(ours(given.path, given.vocabulary, given.learn)))
    elif given.side == "theirs":
        print(json.dumps(theirs(given.path, given.vocabulary)))
    else:
        main(given)
