"""Several interventions on the same cases, with one clean pass over these for all of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from common.output import print_note
from common.progress import Say, silent
from data import EncodedCase
from model import GPT
from probing.interventions.at_sites import AtSites
from probing.interventions.batch import Job, clean_batches


def measure(model: GPT, cases: Sequence[EncodedCase], jobs: dict[str, Job], say: Say = silent) -> dict[str, Tensor]:
    """Log-odds [V, N] of each job, or what else it reads [V, N, ...], with one clean pass over the cases for all of
    them; ``clean``, log-odds [1, N], is added where no job has that name. Prints the notes of ``AtSites`` to stderr.
    """
    jobs = {"clean": lambda batch: batch.clean[None]} | jobs
    parts, done = {name: [] for name in jobs}, 0
    for batch in clean_batches(model, cases):
        say(f"{done} of {len(cases)} cases")
        done += len(batch.cases)
        for name, job in jobs.items():
            parts[name].append(job(batch).cpu())
    for job in jobs.values():
        if isinstance(job, AtSites):
            for note in job.notes():  # printed here: none of the results on the way to the terminal has a field for it
                print_note(note)
    return {name: torch.cat(columns, dim=1) for name, columns in parts.items()}
