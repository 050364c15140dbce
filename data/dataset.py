"""From a corpus to a tokenizer and two token arrays, made once and reused while nothing changes."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from data.corpora import Corpus, Progress
from data.disk import file_sha256
from data.errors import InputError
from data.files import Replacements
from data.shards import FORMAT, SPLITS, ShardWriter, Tokens, open_split, publish, read_manifest, write_manifest
from data.tokenizers import Tokenizer, TokenizerConfig, byte_tokenizer, gpt2_tokenizer, train_bpe

BPE_SAMPLE_BYTES = 64 << 20
ENCODE_BYTES = 4 << 20
ENDLESS_WORD = re.compile(r"\S{1000}")
ENDLESS_SPACE = re.compile(r"\s{1000,}")


@dataclass(frozen=True)
class Dataset:
    """Tokens to train on and to validate with. ``key`` is a hash of all tokens and of the tokenizer."""

    key: str
    folder: Path
    tokenizer: Tokenizer
    train: Tokens
    val: Tokens
    val_bytes: int
    replaced: int

    def require(self, block_size: int) -> None:
        """Raises InputError where the corpus is too short to train a model with this block."""
        if len(self.train) <= block_size:
            raise InputError(
                f"the corpus has {len(self.train)} training tokens, too few for model.block_size={block_size}; "
                "give more text or a shorter block"
            )
        if len(self.val) < 2:
            raise InputError(f"the validation text has {len(self.val)} tokens; give more text or a larger val_fraction")


def short_hash(value: object) -> str:
    """A name for a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def prepare(
    corpus: Corpus, tokenizer: TokenizerConfig | Tokenizer, cache: Path, progress: Progress | None = None
) -> Dataset:
    """The tokens of ``corpus``, from ``cache`` where they are there already and still whole.

    ``tokenizer``: how to make one, or one that exists already.
    """
    made = {"content": short_hash(tokenizer.to_json())} if isinstance(tokenizer, Tokenizer) else asdict(tokenizer)
    description = {"format": FORMAT, "source": corpus.fingerprint(cache), "tokenizer": made}
    folder = cache / "tokens" / f"{corpus.name}-{tokenizer.kind}-{short_hash(description)}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
        try:
            build(building, corpus, tokenizer, cache, description, progress or (lambda *_: None))
            publish(building, folder)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    manifest = read_manifest(folder)
    train, val = (open_split(folder, manifest, split) for split in SPLITS)
    if file_sha256(folder / "tokenizer.json") != manifest["tokenizer"]:
        raise InputError(f"{folder}/tokenizer.json is damaged; delete {folder} and the tokens are made anew")
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    content = [manifest["tokenizer"], *(shard["sha256"] for split in SPLITS for shard in manifest[split]["shards"])]
    return Dataset(short_hash(content), folder, tokenizer, train, val, manifest["val"]["bytes"], manifest["replaced"])


def build(
    folder: Path,
    corpus: Corpus,
    tokenizer: TokenizerConfig | Tokenizer,
    cache: Path,
    description: dict,
    progress: Progress,
) -> None:
    """Writes tokenizer, shards and manifest of one corpus, streaming: memory does not grow with the corpus."""
    total = corpus.total_bytes(cache, progress)
    if not isinstance(tokenizer, Tokenizer):
        tokenizer = make_tokenizer(corpus, tokenizer, cache, total, progress)
    (folder / "tokenizer.json").write_text(tokenizer.to_json())
    replaced, done = Replacements(), 0
    writers = {split: ShardWriter(folder, split, tokenizer.vocab_size) for split in SPLITS}
    n_bytes = dict.fromkeys(SPLITS, 0)
    end = np.array([tokenizer.end])
    for batch in batched_pieces(corpus.pieces(cache, replaced, total)):
        encoded = tokenizer.encode_many([piece.text for _, piece in batch])
        for (split, piece), ids in zip(batch, encoded, strict=True):
            writers[split].write(ids)
            if piece.ends_document:
                writers[split].write(end)
            n_bytes[split] += len(piece.text.encode())
        done = sum(n_bytes.values())
        progress("tokenizing", done, total)
    if done == 0:
        raise InputError(f"the corpus {corpus.name} has no text")
    manifest = {
        "description": description,
        "tokenizer": file_sha256(folder / "tokenizer.json"),
        "vocab_size": tokenizer.vocab_size,
        "dtype": writers["train"].dtype.str,
        "replaced": replaced.count,
    }
    for split, writer in writers.items():
        shards = writer.close()
        n_tokens = sum(shard["tokens"] for shard in shards)
        manifest[split] = {"bytes": n_bytes[split], "tokens": n_tokens, "shards": shards}
    write_manifest(folder, manifest)


def make_tokenizer(
    corpus: Corpus, config: TokenizerConfig, cache: Path, total: int | None, progress: Progress
) -> Tokenizer:
    if config.kind == "bytes":
        return byte_tokenizer()
    if config.kind == "gpt2":
        return gpt2_tokenizer(cache)
    return train_bpe(sample_text(corpus, cache, total, progress), config.vocab_size)


def sample_text(corpus: Corpus, cache: Path, total: int | None, progress: Progress) -> Iterator[str]:
    """The first BPE_SAMPLE_BYTES of the training text; validation text does not shape the tokenizer.

    Endless words and endless space, which would take learning ages and teach it nothing, are broken or shortened.
    """
    done = 0
    for split, piece in corpus.pieces(cache, Replacements(), total):
        if split != "train" or done >= BPE_SAMPLE_BYTES:
            return
        done += len(piece.text.encode())
        progress("learning merges", done, None)
        yield ENDLESS_SPACE.sub("\n", ENDLESS_WORD.sub(r"\g<0> ", piece.text))


def batched_pieces(pieces: Iterator[tuple[str, object]]) -> Iterator[list[tuple[str, object]]]:
    """Groups of pieces worth encoding together: about ENCODE_BYTES of text each."""
    batch, size = [], 0
    for split, piece in pieces:
        batch.append((split, piece))
        size += len(piece.text)
        if size >= ENCODE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
