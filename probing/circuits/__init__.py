"""Heads in sets rather than one by one: which are necessary to the answer, and which suffice."""

from probing.circuits.necessary import NecessaryHeads, find_necessary_heads, necessary_json
from probing.circuits.sufficient import Sufficiency, measure_sufficiency, sufficiency_json

__all__ = [
    "NecessaryHeads",
    "Sufficiency",
    "find_necessary_heads",
    "measure_sufficiency",
    "necessary_json",
    "sufficiency_json",
]
