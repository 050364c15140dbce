"""Heads in any text: where each looks, what the loss grows by without it, how far back heads need to look.

plan = affordable(model)
windows = windows_within(plan, text, tokenizer)
profile = measure_text(model, tokenizer, windows, language="en", ablations=plan.ablations)
to_json(profile)
"""

from probing.in_text.budget import affordable, windows_within
from probing.in_text.measure import measure_text
from probing.in_text.profile import TextProfile, to_json
from probing.in_text.windows import Windows, cut_windows

__all__ = ["TextProfile", "Windows", "affordable", "cut_windows", "measure_text", "to_json", "windows_within"]
