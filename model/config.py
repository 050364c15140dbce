"""The shape of a network, checked once when it is made."""

import reprlib
from collections.abc import Iterable
from dataclasses import Field, dataclass, fields
from typing import Any, Literal, get_args, get_origin

ATTENTION_TYPES = {
    "F": "full causal attention",
    "W": "sliding window",
    "S": "strided",
    "L": "gated linear attention",
    "R": "recurrent network",
}
HEADLESS = "R"  # types without heads, and so without a pattern
MOST_LAYERS = 1_000  # no deeper network is known to learn
SOFTCAPS = 1e-3, 1e6  # what float32 bears


KINDS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "True or False", str: "text"}


def require_types(declared: Iterable[Field], values: dict[str, Any]) -> None:
    """Raises ValueError where a value is not what its field was ``declared`` to be; True and False are no numbers."""
    for field in declared:
        value, known = values[field.name], get_args(field.type)  # of a Literal: values, of a union: types
        if get_origin(field.type) is Literal:
            fits, wanted = value in known, f"one of {', '.join(map(repr, known))}"
        else:
            kinds: tuple[Any, ...] = known or (field.type,)
            wider = (*kinds, int) if float in kinds else kinds
            fits, wanted = isinstance(value, wider) and (bool in kinds or not isinstance(value, bool)), KINDS[kinds[0]]
        if not fits:
            raise ValueError(f"{field.name}={reprlib.repr(value)}: must be {wanted}")


def require_count(name: str, value: int, least: int = 0) -> None:
    """Raises ValueError for a number below ``least``, or one that 64 bits do not hold."""
    if not least <= value < 1 << 63:
        raise ValueError(f"{name}={value}: must be at least {least} and below 2**63")


@dataclass(frozen=True)
class GPTConfig:
    """Everything that decides the parameters' shapes and the function they compute.

    The defaults are the modern architecture (``NanoChatForCausalLM`` in ``transformers``). The exact GPT-2 shape is
    ``norm="layernorm", position="learned", mlp="gelu", qk_norm=False, softcap=0, bias=True, tie_embeddings=True``.

    ``attention`` holds the attention type of each layer as one letter, tiled over the layers. W sees the last
    ``window`` tokens, its own among them; S its own and every ``stride``-th before it. ``n_kv_head`` of None means
    ``n_head``; ``softcap`` of 0 leaves the logits as they are; ``scale_attention=False`` leaves out the division of
    scores by sqrt(d). ``mlp`` names the activation of the feed-forward layers (``model.gpt.ACTIVATIONS``); with "none"
    there are no such layers (Elhage et al. 2021). ``head_bias`` adds to the logits before softcap.
    Raises ValueError for a combination that is no network.
    """

    vocab_size: int
    block_size: int = 128
    n_layer: int = 3
    n_head: int = 4
    n_kv_head: int | None = None
    n_embd: int = 128
    attention: str = "F"
    window: int = 32
    stride: int = 8
    norm: Literal["rmsnorm", "layernorm", "none"] = "rmsnorm"
    position: Literal["rope", "learned"] = "rope"
    mlp: Literal["relu2", "gelu", "gelu_exact", "relu", "none"] = "relu2"
    qk_norm: bool = True
    scale_attention: bool = True
    softcap: float = 15.0
    bias: bool = False
    head_bias: bool = False
    tie_embeddings: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        require_types(fields(self), vars(self))
        if self.n_kv_head is None:
            object.__setattr__(self, "n_kv_head", self.n_head)
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_kv_head", "n_embd", "window", "stride"):
            require_count(name, vars(self)[name], least=1)
        if self.n_layer > MOST_LAYERS:
            raise ValueError(f"n_layer={self.n_layer}: must be at most {MOST_LAYERS:,}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd={self.n_embd} does not divide into n_head={self.n_head} equal heads")
        if self.n_head % self.kv_heads:
            raise ValueError(f"n_head={self.n_head} is not a multiple of n_kv_head={self.n_kv_head}")
        if self.position == "rope" and self.head_dim % 2:
            raise ValueError(
                f"n_embd={self.n_embd}: must be an even multiple of n_head={self.n_head} for position=rope"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}: must be at least 0 and below 1")
        low, high = SOFTCAPS
        if self.softcap and not low <= self.softcap <= high:
            raise ValueError(f"softcap={self.softcap}: must be {low} to {high:,.0f}, or 0 for none")
        unknown = sorted(set(self.attention) - set(ATTENTION_TYPES))
        if unknown or not self.attention:
            known = ", ".join(f"{name} ({meaning})" for name, meaning in ATTENTION_TYPES.items())
            raise ValueError(f"attention={self.attention!r}: one letter per layer, out of {known}")

    @property
    def kv_heads(self) -> int:
        """``n_kv_head``, whose None stands for ``n_head``."""
        return self.n_kv_head or self.n_head

    @property
    def head_dim(self) -> int:
        return self.n_embd // self.n_head

    def n_weights(self) -> int:
        """How many numbers the network's matrices hold, to within a few percent: enough to know whether they fit."""
        width, positions = self.n_embd, self.block_size * (self.position == "learned")
        attention = 2 * width + 2 * width * self.kv_heads // self.n_head
        mlp = 0 if self.mlp == "none" else 8 * width
        vocabulary = self.vocab_size * (1 if self.tie_embeddings else 2)
        return width * (vocabulary + positions + self.n_layer * (attention + mlp))

    @property
    def attention_types(self) -> str:
        """The attention type of every layer, as a letter of ATTENTION_TYPES: ``attention``, tiled to ``n_layer``."""
        return (self.attention * self.n_layer)[: self.n_layer]

    @property
    def layers_with_heads(self) -> list[int]:
        """The layers that have heads, whose patterns hooks can see."""
        return [layer for layer, kind in enumerate(self.attention_types) if kind not in HEADLESS]
