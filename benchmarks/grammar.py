"""How fast stories are written, on one core: ``python -m benchmarks.grammar``.

Words and marks count as tokens, as they do once BPE has been trained, and one end token a story.
"""

import re
import time
from statistics import median

from data.stories import cases, write

N, REPEATS = 50_000, 5


def main() -> None:
    rates = []
    for seed in range(REPEATS):
        start = time.perf_counter()
        stories = list(write("train", N, seed))
        seconds = time.perf_counter() - start
        tokens = sum(1 + len(re.findall(r"\w+|[^\w\s]", story)) for story in stories)
        rates.append(tokens / seconds)
    low, high = min(rates) / 1e6, max(rates) / 1e6
    print(
        f"text    {median(rates) / 1e6:.2f} M tokens a second ({low:.2f} to {high:.2f}, {REPEATS} times {N:,} stories)"
    )
    start = time.perf_counter()
    told = cases("report", 1_000, 0)
    print(f"cases   {len(told) / (time.perf_counter() - start):,.0f} a second")


if __name__ == "__main__":
    main()
