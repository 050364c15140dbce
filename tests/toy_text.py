"""The page of the hand-set model in a text of its own letters, with a role and examples set by hand."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from toys import BLOCK, TOKENIZER, hand_set_model

from common.atomic import json_text
from model import GPT
from probing import Findings, write_files
from probing.in_text import cut_windows, measure_text, to_json
from probing.in_text.ablation import PER_POSITION
from probing.tasks import TaskResult
from report.probe_page import write_probe_page

ROLE = {"role": "line_end", "by": "effect", "nats": 0.81, "ci": [0.72, 0.9], "p": 0.0005, "bar": 0.02}
HEAD = "1.0"  # which has the role
HOSTILE = ["<img src=x onerror=window.acted=1>", " </script>", "\u202eevil", "\n", "  ", ""]
WINDOW = [TOKENIZER.end, *b"AKh?A.\nK"]


def toy_text() -> dict:
    """``text`` of heads.json: measured, but for the role, its effects, and the first example of one head."""
    line = b"A.k?A\nKAs? BC.h\nA, .K?K\n"
    windows = cut_windows(np.frombuffer(line * 30, dtype=np.uint8).astype(np.int64), TOKENIZER, BLOCK)
    text = to_json(measure_text(hand_set_model(), TOKENIZER, windows, ablations=(PER_POSITION, "resample")))
    head = next(head for head in text["heads"] if head["head"] == HEAD)
    head["roles"] = [ROLE]
    head["looks"]["relations"]["punctuation"] |= {"share": 0.4, "uniform": 0.15}
    head["effects"][PER_POSITION]["line_end"] = {"nats": 0.81, "ci": [0.72, 0.9], "p": 0.0005}
    head["effects"][PER_POSITION]["punctuation"] = {"nats": -0.3, "ci": [-0.5, 0.1], "p": 1.0}
    head["effects"][PER_POSITION]["all"] = {"nats": 0.01, "ci": [0.005, 0.015], "p": 0.0005}
    text["untrained"]["most"][PER_POSITION] = 0.02
    head["examples"][0] |= {"weight": 0.5, "pieces": HOSTILE, "query": 0, "key": 2, "next": 1, "gap": None}
    return json.loads(json_text(text))


def findings_of(model: GPT, tasks: Sequence[TaskResult] = ()) -> Findings:
    return Findings(model, {"run": "toy", "step": 7}, tasks, [], None, None)


def write_text_report(
    folder: Path, text: dict | None, findings: Findings | None = None, window: list[int] | None = WINDOW
) -> None:
    findings = findings or findings_of(hand_set_model())
    write_files(findings, folder)
    heads = json.loads((folder / "heads.json").read_text()) | {"text": text}
    (folder / "heads.json").write_text(json.dumps(heads))
    write_probe_page(findings, TOKENIZER, folder, window=window)
