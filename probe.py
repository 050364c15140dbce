"""See what the heads of a run do: ``python probe.py run=runs/NAME [text="..."]``; configs/probe.yaml has the keys."""

from pathlib import Path

from rich.console import Console

import configs
from configs.schema import ProbeCommand
from data.stories import cases
from probing import print_findings, probe, write_files
from probing.figures import draw_role_map, draw_stories
from probing.sentence import encode_sentence, show_sentence
from training import load_model, pick_device


def main(command: ProbeCommand) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    run, device = Path(command.run), pick_device(command.device)
    model, tokenizer, state = load_model(run, command.checkpoint, device)
    sentence = encode_sentence(command.text, model, tokenizer) if command.text is not None else None
    console.print(f"run {run}, step {state['step']:,}; {command.n_cases} cases a family to select, as many to report")
    select, report = (cases(split, command.n_cases, command.seed) for split in ("select", "report"))
    source = {"run": run.name, "step": state["step"], "tokens": state["tokens"]}
    findings = probe(model, tokenizer, select, report, seed=command.seed, source=source)
    print_findings(findings, console)
    if sentence is not None:
        show_sentence(model, tokenizer, findings, sentence, console)
    folder = run / "probe"
    folder.mkdir(exist_ok=True)
    written = [
        *write_files(findings, folder),
        *draw_role_map(findings, folder / "role_map.png"),
        *draw_stories(findings, tokenizer, folder / "stories.png"),
    ]
    console.print(f"written: {', '.join(map(str, written))}")


if __name__ == "__main__":
    configs.launch(main, "probe", ProbeCommand)
