"""The modern architecture as ``transformers`` stores it, ``NanoChatForCausalLM``, beside our names."""

from collections.abc import Iterator
from typing import Any

from huggingface.architecture import HEAD, Architecture, Key, Row
from model import GPTConfig
from model.attention import RMS_EPS, ROPE_BASE

ROPE = {"rope_type": "default", "rope_theta": ROPE_BASE}


def softcap_of(theirs: Any) -> Any:
    """None is no softcap; 0 would make all of their logits 0 and is refused with ValueError."""
    if theirs == 0:
        raise ValueError(f"final_logit_softcapping={theirs} makes all logits 0")
    return 0.0 if theirs is None else theirs


KEYS = (
    Key("max_position_embeddings", "block_size"),
    Key("hidden_size", "n_embd"),
    Key("num_hidden_layers", "n_layer"),
    Key("num_attention_heads", "n_head"),
    Key("num_key_value_heads", "n_kv_head"),
    Key("tie_word_embeddings", "tie_embeddings", absent=False),
    Key(
        "final_logit_softcapping",
        "softcap",
        absent=15.0,
        to_theirs=lambda softcap: float(softcap) if softcap else None,
        to_ours=softcap_of,
    ),
    Key("hidden_act", value="relu2", absent="relu2"),
    Key("rms_norm_eps", value=RMS_EPS, absent=RMS_EPS),
    Key("attention_bias", value=False, absent=False),
    Key("rope_parameters", value=ROPE, absent=ROPE, same=(None,)),
    Key("rope_theta", value=ROPE_BASE, absent=ROPE_BASE, written=False),  # as earlier versions wrote it
    Key("is_causal", value=True, absent=True, same=(None,), written=False),
    Key("rope_scaling", written=False),
    Key("quantization_config", written=False),
)
SWITCHES = {
    "norm": "rmsnorm",
    "position": "rope",
    "mlp": "relu2",
    "qk_norm": True,
    "scale_attention": True,
    "bias": False,
    "head_bias": False,
}


def rows(config: GPTConfig) -> Iterator[Row]:
    yield Row("model.embed_tokens.weight", ("embed.weight",))
    for layer in range(config.n_layer):
        theirs, ours = f"model.layers.{layer}", f"blocks.{layer}"
        for name in "qkvo":
            yield Row(f"{theirs}.self_attn.{name}_proj.weight", (f"{ours}.attention.{name}.weight",))
        yield Row(f"{theirs}.mlp.fc1.weight", (f"{ours}.mlp.up.weight",))
        yield Row(f"{theirs}.mlp.fc2.weight", (f"{ours}.mlp.down.weight",))
    if not config.tie_embeddings:
        yield HEAD


NANOCHAT = Architecture(
    model_type="nanochat",
    name="NanoChatForCausalLM",
    prefix="model.",
    switches=SWITCHES,
    keys=KEYS,
    rows=rows,
    derived=lambda config: {"intermediate_size": 4 * config.n_embd, "head_dim": config.head_dim},
    dropout=("attention_dropout",),
)
