"""Races and costs: two programs in one run, by turns, or what one of ours costs.

    python -m benchmarks.race --nanogpt CLONE  training to nanoGPT's loss, or for the same minutes, against nanoGPT
    python -m benchmarks.sampling CLONE        tokens a second, against nanoGPT and transformers
    python -m benchmarks.sampling_text RUN     the same after real text, and with speculation
    python -m benchmarks.probing               patterns and ablation, against TransformerLens
    python -m benchmarks.tokenizing            text to tokens, against tiktoken
    python -m benchmarks.attention             every attention type against the definition, by length
    python -m benchmarks.page [PAGE.html ...]  size and speed of pages, against BertViz
    python -m benchmarks.live_page             milliseconds from a key press to its answer in the page
    python -m benchmarks.processes             what several processes gain on the cores of one machine
    python -m benchmarks.step model=small      where the time of a training step goes

RESULTS.md has the results.
"""
