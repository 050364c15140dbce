"""Several runs by one command, ``-m``: an error ends its own job alone, and a table at the end shows how each went.

Hydra makes the jobs and its launchers run them, here or in other processes. Each job leaves a record in the sweep's
folder, so that the table has what is known, however a job or the sweep ended.
"""

import gc
import json
import re
import secrets
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from cli.composing import FOLDER, GROUPS, check_sweep, compose
from cli.one_line import one_line_errors
from data import InputError
from training import TrainConfig
from training.metrics import best_evaluation, read_rows
from training.run import new_run

SWEEPS = Path("runs") / ".sweeps"
FLAGS = ("-m", "--multirun", "hydra.mode=MULTIRUN")
WRITES = {"train": "run", "export": "to"}  # the key with the folder that each job needs for itself
SIMPLE = re.compile(r"[\w.+-]+")  # a value that may be part of a folder's name


def run_sweep(name: str, settings: list[str], main: Callable[[Any], None], read: Callable[[DictConfig], Any]) -> None:
    """Runs the sweep of this process's command line; ends in exit status 1 if a job failed.

    ``read`` makes the command of a job from what Hydra composed, and ``main`` runs it.
    """
    options = any(setting.startswith("-") for setting in settings)
    jobs = None if options else check(name, settings)
    folder = SWEEPS / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{secrets.token_hex(2)}"
    if not options and not any(setting.startswith("hydra.sweep.dir=") for setting in settings):
        sys.argv.append(f"hydra.sweep.dir={folder}")
    job = surviving(main, read, folder.absolute())
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        hydra.main(version_base="1.3", config_path=str(FOLDER), config_name=name)(job)()
    finally:
        signal.signal(signal.SIGTERM, before)
        records = read_records(folder)
        if records:
            print("\n".join(["", *table(records)]))
        if jobs and len(records) < len(jobs):
            print(f"{len(jobs) - len(records)} of {len(jobs)} jobs did not begin")
    if any(record["failed"] for record in records):
        raise SystemExit(1)


def surviving(main: Callable[[Any], None], read: Callable[[DictConfig], Any], folder: Path) -> Callable:
    """A job for Hydra's launchers that notes in ``folder`` how it went; only a signal to stop is raised again."""

    def job(config: DictConfig) -> None:
        hydra_config = HydraConfig.get()
        record = {
            "job": hydra_config.job.num,
            "run": None,
            "overrides": OmegaConf.to_container(hydra_config.overrides.task),
        }
        write_record(folder, record | {"failed": True, "result": "killed"})  # should it be
        record |= {"failed": True, "result": "stopped"}
        try:
            with one_line_errors():
                command = read(config)
                if command.run is None:
                    command = replace(command, run=str(new_run(command.data.name)))
                record["run"] = command.run
                write_record(folder, record | {"result": "killed"})
                main(command)
                record |= {"failed": False, "result": result_of(command)}
        except SystemExit as end:
            if not isinstance(end.code, str):
                raise
            record["result"] = end.code
            print(end.code, file=sys.stderr)
        except Exception as bug:
            traceback.print_exc()
            record["result"] = f"{type(bug).__name__}: {bug}".partition("\n")[0]
        finally:
            write_record(folder, record)
            gc.collect()  # a model and its optimizer know each other: their memory is for the next job

    return job


def result_of(command: Any) -> str:
    trained = isinstance(command, TrainConfig)
    best = best_evaluation(read_rows(Path(command.run) / "metrics.jsonl")) if trained else None
    return f"best validation loss {best['val_loss']:.4f}" if best else "done"


def write_record(folder: Path, record: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{record['job']}.json").write_text(json.dumps(record))


def read_records(folder: Path) -> list[dict]:
    return sorted((json.loads(path.read_text()) for path in folder.glob("*.json")), key=lambda record: record["job"])


def table(records: Sequence[dict]) -> list[str]:
    """A line for each job: its number, the overrides that not all jobs share, its run, what came out."""
    shared = set.intersection(*(set(record["overrides"]) for record in records)) if len(records) > 1 else set()
    rows = [("job", "overrides", "run", "result")]
    for record in records:
        own = " ".join(override for override in record["overrides"] if override not in shared)
        rows.append((str(record["job"]), own or "-", record["run"] or "-", record["result"]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return ["  ".join([*map(str.ljust, row, widths), row[-1]]) for row in rows]


def check(name: str, settings: list[str]) -> list[list[str]] | None:
    """The settings of each job; None where a sweeper other than Hydra's own chooses them.

    Raises InputError, before the first job, for a setting that no job could have, and for two jobs that would write the
    same folder.
    """
    check_sweep(name, settings)
    overrides = {
        override.get_key_element(): override for override in OverridesParser.create().parse_overrides(settings)
    }
    swept = [key for key, override in overrides.items() if override.is_sweep_override()]
    if "hydra/sweeper" in overrides or not all(overrides[key].is_discrete_sweep() for key in swept):
        return None
    choices = (
        [f"{key}={value}" for value in override.sweep_string_iterator()] if key in swept else [override.input_line]
        for key, override in overrides.items()
    )
    jobs = [list(job) for job in product(*choices)]
    kinds = {tuple(setting for setting in job if setting.partition("=")[0] in GROUPS): job for job in jobs}
    for job in kinds.values():  # other members of groups have other keys
        compose(name, job)
    if len(jobs) > 1 and WRITES.get(name) in overrides:
        require_own_folders(name, jobs, swept)
    return jobs


def compose_job(name: str, settings: list[str], number: int) -> DictConfig:
    """What Hydra composes for one job, where ``${hydra:job.num}`` is known, too."""
    config = compose(name, settings, with_hydra=True)
    with open_dict(config):
        config.hydra.job.num, config.hydra.job.id = number, str(number)
    return config


def require_own_folders(name: str, jobs: list[list[str]], swept: list[str]) -> None:
    """Raises InputError where two jobs would write the same folder, with the name that differs in each."""
    key = WRITES[name]
    configs = [compose_job(name, job, number) for number, job in enumerate(jobs)]
    both = sharing(key, configs)
    if both is None:
        return
    values = [setting.partition("=")[2] for job in jobs for setting in job if setting.partition("=")[0] in swept]
    written = OmegaConf.to_container(configs[both[0]])[key]
    names = [f"${{hydra:runtime.choices.{k}}}" if k in GROUPS else f"${{{k}}}" for k in swept if k != key]
    number = "${hydra:job.num}"
    suffix = "-".join(n for n in names if n not in written) if all(map(SIMPLE.fullmatch, values)) else number
    renamed = [compose_job(name, [*job, f"{key}={written}-{suffix}"], i) for i, job in enumerate(jobs)]
    remedy = f"{key}='{written}-{suffix if sharing(key, renamed) is None else number}'"
    raise InputError(
        f"{key}={written}: jobs {both[0]} and {both[1]} of this sweep would share one folder; give each its own, "
        f"as in {remedy}"
    )


def sharing(key: str, configs: list[DictConfig]) -> tuple[int, int] | None:
    """The first two jobs, if any, in which ``key`` is the same path."""
    seen = {}
    for number, config in enumerate(configs):
        HydraConfig.instance().set_config(config)
        try:
            path = config[key]
        except OmegaConfBaseException:  # known only once the job runs, or wrong, which its own line will say
            continue
        if path is not None and (first := seen.setdefault(Path(str(path)).resolve(), number)) != number:
            return first, number
    return None
