"""The corpora that have a name: where their files are, which files these must be, and what is held out of them.

Adding one is a name and an entry at the end, and a file in ``configs/data``. Sizes and sha256 were taken from what
others measured or from what Hugging Face lists; addresses on Hugging Face name a revision, so that their files cannot
change.
"""

from dataclasses import dataclass
from typing import Literal

from data.text.download import HubFile, Remote, WebFile


@dataclass(frozen=True)
class Source:
    """How one corpus is made of files.

    ``kind``: *text*, one document a file; *separated*, documents with a line ``<|endoftext|>`` between them; *rows*, a
    document a row of Parquet; *lines*, a line of an article a row; *zip*, the text that an archive holds.
    Held out is ``val``, or the last ``val_rows`` of the first file, whatever the number of files, or the bytes between
    the two numbers of ``cut``, or, with none of these, the last tenth. ``n_files`` of ``train`` are taken where the
    user does not say.
    """

    kind: Literal["text", "separated", "rows", "lines", "zip"]
    train: tuple[Remote, ...]
    val: tuple[Remote, ...] = ()
    val_rows: int = 0
    cut: tuple[int, int] | None = None
    n_files: int | None = None


def on_hub(
    corpus: str, dataset: str, revision: str, folder: str, files: dict[str, tuple[int, str | None]]
) -> tuple[HubFile, ...]:
    """Files of a dataset at one revision, with size and sha256; in the downloads they lie in a folder of ``corpus``."""
    return tuple(HubFile(dataset, revision, folder + name, f"{corpus}/{name}", *known) for name, known in files.items())


SHAKESPEARE = WebFile(
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    "tinyshakespeare.txt",
    1_115_394,
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)
ENWIK8 = WebFile(
    "https://mattmahoney.net/dc/enwik8.zip",
    "enwik8.zip",
    36_445_475,
    "547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
)
TINYSTORIES = on_hub(
    "tinystories",
    "roneneldan/TinyStories",
    "f54c09fd23315a6f9c86f9dc80f725de7d8f9c64",
    "",
    {
        "TinyStoriesV2-GPT4-train.txt": (
            2_227_753_162,
            "6418d412de72888f52b5142c761ac21a582f7d1166f0bfbdb5f03ccfdec90443",
        ),
        "TinyStoriesV2-GPT4-valid.txt": (
            22_502_601,
            "6874bae9a4c1a4e7edcf0e53b86c17817e9cf881fc75ff2368da457b80c0585d",
        ),
    },
)
WIKITEXT103 = on_hub(
    "wikitext103",
    "Salesforce/wikitext",
    "b08601e04326c79dfdd32d625aee71d232d685c3",
    "wikitext-103-raw-v1/",
    {
        "train-00000-of-00002.parquet": (
            156_987_808,
            "74da360f23826045b3e6ac6375411fdb15f003030aa74f2596ed08b857cb9212",
        ),
        "train-00001-of-00002.parquet": (
            157_088_770,
            "ba090ac30dbf5461e8dcbdd1a1b8e6f3cf9c2c756d64f0c1220450acd514f720",
        ),
        "validation-00000-of-00001.parquet": (
            657_209,
            "204929b7ff9d6184953f867dedb860e40aa69c078fc1e54b3baaa8fb28511c4c",
        ),
    },
)
FINEWEB_EDU = on_hub(
    "fineweb_edu",
    "HuggingFaceFW/fineweb-edu",
    "87f09149ef4734204d70ed1d046ddc9ca3f2b8f9",
    "sample/10BT/",
    {
        "000_00000.parquet": (2_152_819_114, "b1ba7b2ce4cb5ea6ef42dca40263eabb85f37700d01693a68e9b30a31d78e871"),
        "001_00000.parquet": (2_152_222_432, "3fcf2dc69cd52503986276d3d2d26a8c356d0f2ea28a0de4fdbda8cf87755693"),
        "002_00000.parquet": (2_151_796_315, "547ae182d132c9f06b6ce63149567208ea9f57630bfd9b1a2938e504f0c9ebd7"),
        "003_00000.parquet": (2_152_437_524, "22184e6eb25759ddd97783751ffc73e1705dfa2542e630dae1f2a8bac8ee6ddb"),
        "004_00000.parquet": (2_152_338_550, "33557ddd87a07a4ae6fcaf7a4789c7b484e5cc0c273ca12a65b74200e6d8748b"),
        "005_00000.parquet": (2_152_189_947, "e08d79927ecb377786572cd854817c748ceb8880878b1a0eb91abf8c85d505ea"),
        "006_00000.parquet": (2_152_689_867, "554fa2613c9261d6c9c396caab881de3160175794c6c3e1856bf28a0e9cb9b76"),
        "007_00000.parquet": (2_150_686_637, "4b7d1f697d4afff7f5f65cb7aa4d83acc6db716da4d46ea23399d0c50608c6e3"),
        "008_00000.parquet": (2_151_274_846, "a6d9dcc0c72ecd7c7f0173c2d06b3a4249a2ccaa94961469d1a522ca689bbf1a"),
        "009_00000.parquet": (2_151_913_277, "f836cd3c70b95776699eb6c356b2dbf702816e25dcf39992f5c80a29029d23c3"),
        "010_00000.parquet": (2_152_798_864, "e5a2eae25f057f0856a10bfae314c6ca8ea8bb08456d2131e9e89b2b8305e2f6"),
        "011_00000.parquet": (2_152_323_681, "db71cf0425bb3d1813a09f12ff1acd6dabdfb91a2e4f141960254ee5a7f036e7"),
        "012_00000.parquet": (2_152_069_689, "08b47a3e1c25161f796d2f8dbf99ccf60affdebdcea4910833d0d5783315551f"),
        "013_00000.parquet": (540_632_672, "b393f51fefab26cd6f4c8f65707c1924f6666c4961a0ebebe04bb57f7ec832de"),
    },
)
OPENWEBTEXT_KNOWN = (
    (302_848_326, "caed9f4b7053d7cd4d1a13ce9ec9224d84a3bba1f11579193562a7e31ebe656e"),
    (305_678_548, "70307b7749e10cb0bfb895fde024dd82d96e6bb2710bca1886b952abe45bf3ea"),
    (304_419_240, "0d02a67f73464d383c8df2059f27b36b4b1652c855051be3c65930baef12bd2d"),
    (304_332_042, "437833e29326c3d88792e834d36368d2c4836e5c5f3535233a88f3cf7dd46aad"),
    (301_175_397, "7b3cef26e2d4e2b041e6e13a0102cb4d03277e8c6418b8ff1b865544a4695de3"),
    (301_755_705, "2d3200a936b021c9abafdda6714e4d678387e8854e56abaac5d2b62882fc6044"),
    (303_536_715, "76c0b96ce0250c3a32f2e8878172a4b79ac7970fede78edfcfc4d98d87ec5a6c"),
)
OPENWEBTEXT_OTHER = (303_000_000, None)  # the Hub declares their sha256
OPENWEBTEXT = on_hub(
    "openwebtext",
    "Skylion007/openwebtext",
    "79d93d786212f7344586290adb811d4ae6a1762c",
    "plain_text/",
    {
        f"train-{i:05d}-of-00080.parquet": OPENWEBTEXT_KNOWN[i] if i < len(OPENWEBTEXT_KNOWN) else OPENWEBTEXT_OTHER
        for i in range(80)
    },
)

CorpusName = Literal["shakespeare", "tinystories", "wikitext103", "fineweb_edu", "openwebtext", "enwik8"]
CATALOG: dict[CorpusName, Source] = {
    "shakespeare": Source("text", (SHAKESPEARE,)),
    "tinystories": Source("separated", TINYSTORIES[:1], val=TINYSTORIES[1:]),
    "wikitext103": Source("lines", WIKITEXT103[:2], val=WIKITEXT103[2:]),
    "fineweb_edu": Source("rows", FINEWEB_EDU, val_rows=2_000, n_files=1),
    "openwebtext": Source("rows", OPENWEBTEXT, val_rows=2_000, n_files=1),
    "enwik8": Source("zip", (ENWIK8,), cut=(90_000_000, 95_000_000)),
}
