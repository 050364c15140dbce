"""Heads in sets rather than one by one: which are necessary, which suffice, which feeds which; and why one looks."""

from probing.circuits.edges import Edge, Edges, choose_receivers, edges_json, measure_edges
from probing.circuits.head_sets import HeadSets
from probing.circuits.missing import NotMeasured
from probing.circuits.necessary import NecessaryHeads, find_necessary_heads, necessary_json
from probing.circuits.scores import ScoreParts, measure_scores, scores_json
from probing.circuits.sufficient import Sufficiency, measure_sufficiency, sufficiency_json

__all__ = [
    "Edge",
    "Edges",
    "HeadSets",
    "NecessaryHeads",
    "NotMeasured",
    "ScoreParts",
    "Sufficiency",
    "choose_receivers",
    "edges_json",
    "find_necessary_heads",
    "measure_edges",
    "measure_scores",
    "measure_sufficiency",
    "necessary_json",
    "scores_json",
    "sufficiency_json",
]
