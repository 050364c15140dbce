"""Three programs that write with the same weights in the shape of GPT-2: this one, ``transformers`` and nanoGPT.

Each gets prompts [B, T] and a number of new tokens, takes the likeliest one each time, and reports when every new token
was there.
"""

import contextlib
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from benchmarks.peers import BLOCK, Shape
from model import GPT, Sampling, generate

GREEDY = Sampling(temperature=0)


@dataclass
class Written:
    """New tokens [B, n], and for each of the n the seconds from the call until it was there."""

    started: float = field(default_factory=time.perf_counter)
    seconds: list[float] = field(default_factory=list)
    tokens: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))

    def stamp(self, *_: object) -> None:
        self.seconds.append(time.perf_counter() - self.started)


class Lookback:
    def __init__(self, model: GPT, speculate: int = 0, sampling: Sampling = GREEDY) -> None:
        self.model, self.embedding, self.speculate, self.sampling = model, model.embed, speculate, sampling
        self.name = f"Lookback, speculate={speculate}" if speculate else "Lookback"

    def write(self, prompts: Tensor, n: int) -> Written:
        written, columns = Written(), []
        for column in generate(self.model, list(prompts), 1, n, self.sampling, seed=0, speculate=self.speculate):
            written.stamp()
            columns.append(column)
        written.tokens = torch.stack(columns, dim=1)
        return written


class Transformers:
    """``generate`` of ``transformers`` with its cache, fused attention or not, a growing cache or one of full size."""

    SETTINGS = tuple((attention, cache) for attention in ("sdpa", "eager") for cache in ("dynamic", "static"))

    def __init__(self, folder: Path, attention: str, cache: str) -> None:
        from transformers import AutoConfig, AutoModelForCausalLM

        self.name, self.cache = f"transformers ({attention}, {cache} cache)", cache
        config = AutoConfig.from_pretrained(folder)
        if config.model_type == "gpt2":  # the same function as its default, in one kernel instead of seven
            config.activation_function = "gelu_pytorch_tanh"
        self.model = AutoModelForCausalLM.from_pretrained(folder, config=config, attn_implementation=attention)
        self.model.eval().generation_config.eos_token_id = None  # no token ends a text
        self.embedding = self.model.get_input_embeddings()

    def write(self, prompts: Tensor, n: int) -> Written:
        from transformers.generation.streamers import BaseStreamer

        written = Written()

        class Clock(BaseStreamer):
            def put(self, tokens: Tensor) -> None:
                written.stamp()

            def end(self) -> None:
                pass

        # pyrefly: ignore [bad-argument-type] the library types ``generate`` for a protocol that no model of its has
        tokens = self.model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=n,
            do_sample=False,
            use_cache=True,
            cache_implementation=self.cache,
            pad_token_id=0,
            streamer=Clock(),
        )
        written.tokens = tokens[:, prompts.size(1) :]
        del written.seconds[0]  # the streamer is given the prompt first
        return written


class NanoGPT:
    """The ``GPT.generate`` of a clone. Its GELU becomes GPT-2's tanh approximation, so that all compute the same."""

    name = "nanoGPT"

    def __init__(self, clone: Path, shape: Shape, weights: dict[str, Tensor]) -> None:
        theirs = ModuleType("nanogpt_model")
        SourceFileLoader(theirs.__name__, str(clone / "model.py")).exec_module(theirs)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its size
            self.model = theirs.GPT(theirs.GPTConfig(block_size=BLOCK, dropout=0.0, bias=True, **vars(shape))).eval()
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                layer = self.model.get_submodule(name.rpartition(".")[0])
                # Those of ``transformers`` are stored as inputs x outputs.
                turned = isinstance(layer, nn.Linear) and parameter.ndim == 2 and ".h." in name
                parameter.copy_(weights[name].T if turned else weights[name])
        for block in self.model.transformer.h:
            block.mlp.gelu = nn.GELU(approximate="tanh")
        self.embedding = self.model.transformer.wte

    def write(self, prompts: Tensor, n: int) -> Written:
        written = Written()
        hook = self.model.register_forward_hook(written.stamp)  # what follows is the choice, some microseconds
        try:
            tokens = self.model.generate(prompts, n, top_k=1)
        finally:
            hook.remove()
        written.tokens = tokens[:, prompts.size(1) :]
        return written


Sampler = Lookback | Transformers | NanoGPT


@contextmanager
def count_reading(sampler: Sampler) -> Iterator[list[int]]:
    """How many tokens of each text every forward inside reads, in order."""
    lengths: list[int] = []
    hook = sampler.embedding.register_forward_hook(lambda module, given, made: lengths.append(given[0].size(-1)))
    try:
        yield lengths
    finally:
        hook.remove()
