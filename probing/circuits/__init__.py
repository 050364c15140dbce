"""Heads in sets rather than one by one: which are necessary to the answer."""

from probing.circuits.necessary import NecessaryHeads, find_necessary_heads, necessary_json

__all__ = ["NecessaryHeads", "find_necessary_heads", "necessary_json"]
