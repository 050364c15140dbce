"""Several runs by one command, ``-m``: an error ends its own job alone, and a table at the end shows how each went.

Hydra makes the jobs and its launchers run them, here or in other processes. Each job leaves a record in the sweep's
folder, so that the table has what is known, however a job or the sweep ended.
"""

import gc
import json
import secrets
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import product
from pathlib import Path
from shlex import quote
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from cli.composing import FOLDER, GROUPS, check_sweep, compose
from cli.lines import STDIN
from cli.paths import decode_text
from cli.swept_text import encode_swept, readable, unknown_values, values_of
from common.atomic import replace_durably
from common.errors import InputError
from common.one_line import one_line_errors
from common.signals import exit_on
from common.visible import visible_text
from storage.metrics import best_evaluation, read_rows
from storage.run import METRICS, new_run
from training import TrainConfig

SWEEPS = Path("runs") / ".sweeps"
FLAGS = ("-m", "--multirun", "hydra.mode=MULTIRUN")
# The key with the folder that each job needs for itself; where it is not given, the next one.
WRITES = {"train": ("run",), "export": ("to",), "probe": ("to", "run")}
READS = ("prompt", "text")  # keys that may stand for standard input

Configs = dict[tuple[str, ...], DictConfig]  # by members of groups


def run_sweep(name: str, settings: list[str], main: Callable[[Any], None], read: Callable[[DictConfig], Any]) -> None:
    """Runs the sweep of this process's command line; ends in exit status 1 if a job failed.

    ``read`` makes the command of a job from what Hydra composed, and ``main`` runs it.
    """
    options = any(setting.startswith("-") for setting in settings)
    known = keys_of(name)
    sys.argv[1:] = [encode_swept(argument, known) for argument in sys.argv[1:]]
    jobs = None if options else check(name, settings)
    folder = SWEEPS / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{secrets.token_hex(2)}"
    if not options:
        overrides = [argument for argument in sys.argv[1:] if argument not in FLAGS]
        own = ["-m", f"hydra.sweep.dir={folder}", "hydra/hydra_logging=none"]  # its log would show encoded settings
        sys.argv[1:] = [*own, *overrides]  # -m has to be first; of a key given twice the later value counts
    job = surviving(main, read, folder.absolute())
    try:
        with exit_on("SIGTERM"):
            hydra.main(version_base="1.3", config_path=str(FOLDER), config_name=name)(job)()
    finally:
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
        OmegaConf.register_new_resolver("text", decode_text, replace=True)  # also in a launcher's other process
        hydra_config = HydraConfig.get()
        record = {
            "job": hydra_config.job.num,
            "run": None,
            # pyrefly: ignore [bad-argument-type, not-iterable] a list of texts
            "overrides": [readable(setting) for setting in OmegaConf.to_container(hydra_config.overrides.task)],
        }
        write_record(folder, record | {"failed": True, "result": "killed"})  # should it be
        print(visible_text(f"job {record['job']}: {' '.join(record['overrides'])}"), flush=True)
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
            gc.collect()  # a model and its optimizer are in a reference cycle: their memory is for the next job

    return job


def result_of(command: Any) -> str:
    metrics, trained = Path(command.run) / METRICS, isinstance(command, TrainConfig)
    best = best_evaluation(read_rows(metrics)) if trained else None
    return f"best validation loss {best['val_loss']:.4f}" if best else "done"


def write_record(folder: Path, record: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    replace_durably(folder / f"{record['job']}.json", json.dumps(record).encode())


def read_records(folder: Path) -> list[dict]:
    return sorted((json.loads(path.read_bytes()) for path in folder.glob("*.json")), key=lambda record: record["job"])


def table(records: Sequence[dict]) -> list[str]:
    """A line for each job: its number, the overrides that not all jobs share, its run, what came out."""
    shared = set.intersection(*(set(record["overrides"]) for record in records)) if len(records) > 1 else set()
    rows = [("job", "overrides", "run", "result")]
    for record in records:
        own = " ".join(override for override in record["overrides"] if override not in shared)
        rows.append((str(record["job"]), own or "-", record["run"] or "-", record["result"]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return [visible_text("  ".join([*map(str.ljust, row, widths), row[-1]])) for row in rows]


def keys_of(name: str) -> set[str]:
    """The keys of a command, those in groups by the group's name."""
    return {*GROUPS, *OmegaConf.load(FOLDER / f"{name}.yaml")}


def check(name: str, settings: list[str]) -> list[list[str]] | None:
    """The settings of each job; None where a sweeper other than Hydra's own chooses them.

    Raises InputError, before the first job, for a setting that no job could have, and for two jobs that would write the
    same folder.
    """
    known, writes = keys_of(name), WRITES.get(name, ())
    for setting in settings:
        key, _, value = setting.partition("=")
        if key in READS and STDIN in values_of(value):
            raise InputError(f"{setting}: standard input is for one job alone; give texts with commas between them")
        if key in writes and (unknown := unknown_values(setting, known)):
            raise InputError(f"{setting}: there is no key {unknown[0][2:-1]}")
    settings = [encode_swept(setting, known) for setting in settings]
    check_sweep(name, settings)
    overrides = {override.get_key_element(): override for override in map(parsed, settings)}
    swept = [key for key, override in overrides.items() if override.is_sweep_override()]
    if "hydra/sweeper" in overrides or not all(overrides[key].is_discrete_sweep() for key in swept):
        return None
    # pyrefly: ignore [bad-assignment] no override of a command line is without its line
    choices: Iterator[list[str]] = (
        [f"{key}={value}" for value in override.sweep_string_iterator()] if key in swept else [override.input_line]
        for key, override in overrides.items()
    )
    jobs = [list(job) for job in product(*choices)]
    kinds = {members(job): job for job in jobs}  # other members of groups have other keys
    configs = {kind: compose(name, job, with_hydra=True) for kind, job in kinds.items()}
    if len(jobs) > 1 and {*writes} & overrides.keys() and "text" not in overrides:  # a probe of a text writes nothing
        require_own_folders(writes, jobs, swept, configs)
    return jobs


@cache
def parsed(setting: str) -> Override:
    return OverridesParser.create().parse_override(setting)


def members(job: list[str]) -> tuple[str, ...]:
    """Which members of groups a job has."""
    return tuple(setting for setting in job if setting.partition("=")[0] in GROUPS)


def require_own_folders(keys: Sequence[str], jobs: list[list[str]], swept: list[str], configs: Configs) -> None:
    """Raises InputError where two jobs would write the same folder, with the name that differs in each."""
    both = sharing(folders(keys, jobs, swept, configs))
    if both is None:
        return
    settings = {parsed(setting).key_or_group: readable(setting) for setting in jobs[both[0]]}
    given = {key: setting for key, setting in settings.items() if setting != f"{key}=null"}
    key, written = keys[0], next(given[key] for key in keys if key in given)
    value = written.partition("=")[2] if key in given else "probes/job"
    own = f"{value}-${{hydra:job.num}}"
    if {*own} & {*"',\""}:
        own = "'" + own.replace("'", "\\'") + "'"
    raise InputError(
        f"{written}: jobs {both[0]} and {both[1]} of this sweep would share one folder; give each its own, "
        f"as in {quote(f'{key}={own}')}"
    )


def folders(keys: Sequence[str], jobs: list[list[str]], swept: list[str], configs: Configs) -> Iterator[Path | None]:
    """The folder that each job writes, under the first of ``keys`` that is set; None where it is known only once the
    job runs, or wrong.

    To compose each job would take a second for every ten: here ``configs``, by the members of groups, change from job
    to job.
    """
    current = None
    for number, job in enumerate(jobs):
        config = configs[members(job)]
        if config is not current:
            HydraConfig.instance().set_config(config)
            current = config
        about = HydraConfig.get().job
        # pyrefly: ignore [bad-argument-type] a DictConfig, where its type has the class that it is made from
        with read_write(about), open_dict(about):
            about.num, about.id, about.override_dirname = number, str(number), str(number)  # as different as the jobs
        for setting in job:
            override = parsed(setting)
            if setting.partition("=")[0] in swept and override.key_or_group not in GROUPS:
                OmegaConf.update(config, override.key_or_group, override.value(), force_add=True)
        try:
            given = next((config[key] for key in keys if config[key] is not None), None)
            yield Path(str(given)).resolve() if given is not None else None
        except OmegaConfBaseException:  # its own line will say so
            yield None


def sharing(paths: Iterable[Path | None]) -> tuple[int, int] | None:
    """The first two jobs, if any, with the same path."""
    seen = {}
    for number, path in enumerate(paths):
        if path is not None and (first := seen.setdefault(path, number)) != number:
            return first, number
    return None
