"""Probing: which heads look back from a pronoun to its antecedent, with what certainty, and which of them matter.

Imports model and data. Everything starts at ``probe``.
"""

from probing.dynamics import dynamics_at, quick_probe
from probing.findings import Findings, to_json, write_files
from probing.measure import encode_tasks, pattern_texts, probe, resolved_tasks

__all__ = [
    "Findings",
    "dynamics_at",
    "encode_tasks",
    "pattern_texts",
    "probe",
    "quick_probe",
    "resolved_tasks",
    "to_json",
    "write_files",
]
