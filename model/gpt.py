"""The decoder-only transformer: embeddings, blocks of attention and feed-forward, and a head over the vocabulary."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from model.attention import RMS_EPS, CausalSelfAttention, rms_norm, rotary_table, take_rows
from model.cache import Cache, Context
from model.config import GPTConfig
from model.documents import positions_within
from model.hooks import Hooks
from model.init import initialize
from model.linear import LinearAttention
from model.loss import cap, head_loss
from model.recurrent import Recurrent
from model.sparse import StridedAttention, WindowAttention

LAYER_NORM_EPS = 1e-5
ATTENTION: dict[str, type[CausalSelfAttention] | type[Recurrent]] = {
    "F": CausalSelfAttention,
    "W": WindowAttention,
    "S": StridedAttention,
    "L": LinearAttention,
    "R": Recurrent,
}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu2": lambda h: F.relu(h).square(),  # So et al. 2021
    "gelu": partial(F.gelu, approximate="tanh"),  # GPT-2's approximation
    "gelu_exact": F.gelu,  # Hendrycks & Gimpel 2016; nanoGPT's
    "relu": F.relu,
}


def make_norm(config: GPTConfig) -> nn.Module:
    if config.norm == "rmsnorm":
        return nn.RMSNorm(config.n_embd, eps=RMS_EPS, elementwise_affine=False)
    if config.norm == "layernorm":
        return nn.LayerNorm(config.n_embd, eps=LAYER_NORM_EPS, bias=config.bias)
    return nn.Identity()


class MLP(nn.Module):
    """Four times wider and back, with one of ACTIVATIONS between."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.mlp]
        self.up = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.down = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.activation(self.up(x)))


class Block(nn.Module):
    """x + attention(norm(x)), then ``feed_forward``."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        has_mlp = config.mlp != "none"
        self.norm_attention = make_norm(config)
        self.norm_mlp = make_norm(config) if has_mlp else nn.Identity()
        self.attention = ATTENTION[config.attention_types[layer]](config, layer)
        self.mlp = MLP(config) if has_mlp else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        rotary: Tensor | None,
        hooks: Hooks | None = None,
        cache: Cache | None = None,
        rows: Tensor | None = None,
        documents: Tensor | None = None,
    ) -> Tensor:
        """x [B, T, D] -> [B, T, D]; of the last block only ``rows`` [B, R] may be wanted: [B, R, D]."""
        if hooks is not None:
            hooks.residual(self.layer, x)
        attended = self.attention(self.norm_attention(x), rotary, hooks, cache, documents)
        if rows is not None:
            x, attended = take_rows(x, rows), take_rows(attended, rows)
        return self.feed_forward(x + self.dropout(attended))

    def feed_forward(self, x: Tensor) -> Tensor:
        """x + mlp(norm(x)), [..., D]; x itself where there is no such layer."""
        return x if self.mlp is None else x + self.dropout(self.mlp(self.norm_mlp(x)))


class GPT(nn.Module):
    """A causal language model. ``seed``: from which ``model.init.initialize`` draws the weights; None: as PyTorch makes
    them, to be replaced."""

    blocks: Sequence[Block]
    rotary: Tensor | None

    def __init__(self, config: GPTConfig, seed: int | None = 0) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)
        blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.blocks = blocks  # type: ignore[bad-assignment] a ModuleList forgets the type of its modules
        self.norm = make_norm(config)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=config.head_bias)
        if config.tie_embeddings:
            self.head.weight = self.embed.weight
        learned = config.position == "learned"
        self.position = nn.Embedding(config.block_size, config.n_embd) if learned else None
        table = None if learned else rotary_table(config.block_size, config.head_dim)
        self.register_buffer("rotary", table, persistent=False)
        if seed is not None:
            initialize(self, seed)

    def forward(
        self,
        tokens: Tensor,
        targets: Tensor | None = None,
        rows: Tensor | None = None,
        hooks: Hooks | None = None,
        context: Context | None = None,
        documents: Tensor | None = None,
    ) -> Tensor:
        """tokens [B, T], T <= block_size -> float32 logits [B, T, V] of the next token.

        With ``targets`` [B, T], the tokens that follow: their mean cross-entropy in nats instead, of all but
        ``model.loss.NO_TARGET``. With ``rows`` [B, R] only those positions are computed to the end: [B, R, V].
        ``hooks`` see, and may replace, attention on the way.
        ``context``: the tokens before ``tokens``, as caches; ``tokens`` are added to it; see ``step``.
        ``documents`` [B, T] (``documents_of``): each is read as if it were alone; positions count from its beginning.
        Raises ValueError where the sequence is longer than the block, and for arguments that exclude each other.
        """
        n = tokens.size(1)
        if n > self.config.block_size:
            raise ValueError(f"{n} tokens do not fit into block_size={self.config.block_size}")
        if context and hooks is not None:
            raise ValueError("hooks see whole texts: with a context, only the new tokens would be seen")
        if targets is not None and rows is not None:
            raise ValueError("a loss is of all positions: leave rows out")
        if targets is not None and not isinstance(self.head, nn.Linear):
            raise ValueError("weights of 8 bits give logits, no loss: leave targets out")
        if context and documents is not None:
            raise ValueError("a context is of one document: leave documents out")
        if context:
            positions = context.begin_step(n, tokens.device)
        elif documents is not None:
            positions = positions_within(documents)  # [B, T]
        else:
            positions = slice(0, n)
        x = self.embed(tokens)  # [B, T, D]
        if self.position is not None:
            x = x + self.position.weight[positions]
        rotary = None if self.rotary is None else self.rotary[:, positions]  # [2, T, d], or [2, B, T, d]
        if self.config.norm == "rmsnorm":
            x = rms_norm(x)
        x = self.dropout(x)
        for block, cache in zip(self.blocks, context.caches if context else [None] * len(self.blocks), strict=True):
            x = block(x, rotary, hooks, cache, rows if block is self.blocks[-1] else None, documents)
        if context:
            context.lengths = [length + n for length in context.lengths]
        if targets is not None:
            x = self.norm(x).flatten(0, 1)
            return head_loss(x, self.head.weight, targets.flatten(), self.config.softcap, self.head.bias)
        return self.logits(x)

    def logits(self, x: Tensor) -> Tensor:
        """The residual stream [..., D] -> float32 logits [..., V], softly limited to (-softcap, softcap)."""
        return cap(self.head(self.norm(x)).float(), self.config.softcap)

    def step(self, tokens: Tensor, context: Context) -> Tensor:
        """Logits [B, V] after the last of the new ``tokens`` [B, t], which follow those that ``context`` holds.

        The first tokens are read in one pass, as long as all sequences have as many; later ones one by one.
        """
        if tokens.size(1) > 1 and any(context.lengths):
            return [self.step(token, context) for token in tokens.split(1, dim=1)][-1]
        n = tokens.size(1)
        last = tokens.new_full((len(tokens), 1), n - 1) if n > 1 else None  # one token is the last
        return self(tokens, rows=last, context=context)[:, 0]

    def new_context(self, batch: int, capacity: int | None = None) -> Context:
        """``batch`` sequences of which nothing has been read, with space for ``capacity`` tokens each, or a block."""
        capacity = min(capacity or self.config.block_size, self.config.block_size)
        return Context([block.attention.new_cache(batch, capacity) for block in self.blocks], [0] * batch, capacity)

    def n_parameters(self) -> int:
        """Trainable numbers; a tied head counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def flops_per_token(self) -> int:
        """Floating-point operations of forward and backward per token at full block (Chowdhery et al. 2022, app. B).

        6 per weight that multiplies, and what each layer's attention type gives for scores and mixing.
        """
        config = self.config
        lookups = 0 if config.tie_embeddings else self.embed.weight.numel()
        if self.position is not None:
            lookups += self.position.weight.numel()
        mixing = sum(block.attention.flops_per_token(config.block_size) for block in self.blocks)
        return 6 * (self.n_parameters() - lookups) + mixing
