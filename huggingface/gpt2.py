"""GPT-2 (Radford et al. 2019) as ``transformers`` stores it, ``GPT2LMHeadModel``, beside our names.

Its linear layers are stored as inputs x outputs, and queries, keys and values as one.
"""

from collections.abc import Iterator
from functools import partial

from huggingface.architecture import HEAD, Architecture, Key, Row
from model import GPTConfig

ACTIVATIONS = {"gelu_new": "gelu", "gelu_pytorch_tanh": "gelu", "gelu": "gelu_exact", "relu": "relu"}
# Other names of keys; where config.json has one as well, transformers takes its value.
ALIASES = {
    "max_position_embeddings": "n_positions",
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
}
KEYS = (
    Key("n_positions", "block_size"),
    Key("n_embd", "n_embd"),
    Key("n_layer", "n_layer"),
    Key("n_head", "n_head"),
    Key("tie_word_embeddings", "tie_embeddings", absent=True),
    # Without scaling transformers would compute the same, but TransformerLens shows patterns as if it were there.
    Key("scale_attn_weights", value=True, absent=True),
    Key("activation_function", "mlp", absent="gelu_new", names=ACTIVATIONS),
    Key("layer_norm_epsilon", value=1e-5, absent=1e-5),
    Key("scale_attn_by_inverse_layer_idx", value=False, absent=False),
    Key("reorder_and_upcast_attn", value=False, absent=False),
    Key("is_causal", value=True, absent=True, same=(None,), written=False),
    Key("add_cross_attention", value=False, absent=False),
    Key("quantization_config", written=False),
)
SWITCHES = {
    "norm": "layernorm",
    "position": "learned",
    "qk_norm": False,
    "scale_attention": True,
    "softcap": 0.0,
    "bias": True,
    "head_bias": False,
}


def rows(config: GPTConfig, turned: bool = True) -> Iterator[Row]:
    """``turned``: whether linear layers are stored as inputs x outputs."""
    norm, linear = partial(layer, config.bias, False), partial(layer, config.bias, turned)
    yield Row("transformer.wte.weight", ("embed.weight",))
    yield Row("transformer.wpe.weight", ("position.weight",))
    for i in range(config.n_layer):
        theirs, ours = f"transformer.h.{i}", f"blocks.{i}"
        yield from norm(f"{theirs}.ln_1", f"{ours}.norm_attention")
        yield from linear(f"{theirs}.attn.c_attn", *(f"{ours}.attention.{name}" for name in "qkv"))
        yield from linear(f"{theirs}.attn.c_proj", f"{ours}.attention.o")
        yield from norm(f"{theirs}.ln_2", f"{ours}.norm_mlp")
        yield from linear(f"{theirs}.mlp.c_fc", f"{ours}.mlp.up")
        yield from linear(f"{theirs}.mlp.c_proj", f"{ours}.mlp.down")
    yield from norm("transformer.ln_f", "norm")
    if not config.tie_embeddings:
        yield HEAD


def layer(bias: bool, turned: bool, theirs: str, *ours: str) -> Iterator[Row]:
    yield Row(f"{theirs}.weight", tuple(f"{name}.weight" for name in ours), turned)
    if bias:
        yield Row(f"{theirs}.bias", tuple(f"{name}.bias" for name in ours))


GPT2 = Architecture(
    model_type="gpt2",
    name="GPT2LMHeadModel",
    prefix="transformer.",
    switches=SWITCHES,
    keys=KEYS,
    aliases=ALIASES,
    rows=rows,
    derived=lambda config: {"n_inner": 4 * config.n_embd},
    buffers=(".attn.bias", ".attn.masked_bias"),  # causal masks, in older files
    dropout=("resid_pdrop", "embd_pdrop", "attn_pdrop"),
)
