"""The decoder-only transformer: embeddings, blocks of attention and feed-forward, and a head over the vocabulary."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.attention import FullAttention, rms_norm, rotary_table
from model.cache import Cache, Context, Place
from model.config import GPTConfig
from model.init import initialize
from model.linear import LinearAttention
from model.loss import cap, head_loss
from model.recurrent import Recurrent
from model.sparse import StridedAttention, WindowAttention
from model.watch import Watch

LAYER_NORM_EPS = 1e-5
ATTENTION = {
    "F": FullAttention,
    "W": WindowAttention,
    "S": StridedAttention,
    "L": LinearAttention,
    "R": Recurrent,
}
BEGINNING = Place(0, 0)


class RMSNorm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x)


def make_norm(config: GPTConfig) -> nn.Module:
    if config.norm == "rmsnorm":
        return RMSNorm()
    return nn.LayerNorm(config.n_embd, eps=LAYER_NORM_EPS, bias=config.bias)


class MLP(nn.Module):
    """Four times wider and back, with ReLU^2 (So et al. 2021) or GPT-2's tanh approximation of GELU."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.kind = config.mlp
        self.up = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.down = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = self.up(x)
        h = F.relu(h).square() if self.kind == "relu2" else F.gelu(h, approximate="tanh")
        return self.down(h)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.norm_attention, self.norm_mlp = make_norm(config), make_norm(config)
        self.attention = ATTENTION[config.letters[layer]](config)
        self.mlp = MLP(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, watch: Watch | None) -> Tensor:
        return self.add(x, self.attention(self.norm_attention(x), rotary, watch, self.layer))

    def step(
        self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, cache: Cache, place: Place, last: bool = False
    ) -> Tensor:
        """The same with a cache. ``last``: nothing reads more than the last token's row [B, 1, D] of what comes out."""
        attended = self.attention.step(self.norm_attention(x), rotary, cache, place)
        return self.add(x[:, -1:], attended[:, -1:]) if last else self.add(x, attended)

    def add(self, x: Tensor, attended: Tensor) -> Tensor:
        """The block's output, given its input and what attention makes of it, both [B, T, D]."""
        x = x + self.dropout(attended)
        return x + self.dropout(self.mlp(self.norm_mlp(x)))


class GPT(nn.Module):
    """A causal language model. Weights are drawn from ``seed`` by ``model.init.initialize``."""

    def __init__(self, config: GPTConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.norm = make_norm(config)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.head.weight = self.embed.weight
        if config.position == "learned":
            self.position = nn.Embedding(config.block_size, config.n_embd)
        else:
            cos, sin = rotary_table(config.block_size, config.head_dim)
            self.register_buffer("rotary_cos", cos, persistent=False)
            self.register_buffer("rotary_sin", sin, persistent=False)
        initialize(self, seed)

    def forward(self, tokens: Tensor, rows: Tensor | None = None, watch: Watch | None = None) -> Tensor:
        """tokens [B, T], T <= block_size -> float32 logits [B, T, V] for the next token.

        With ``rows`` [B, R] only those positions go through the head: [B, R, V]. ``watch`` sees, and may replace,
        attention on the way. Raises ValueError where the sequence is longer than the block.
        """
        x = self.hidden(tokens, watch)
        if rows is not None:
            x = x.gather(1, rows[..., None].expand(-1, -1, x.size(-1)))
        return self.logits(x)

    def hidden(self, tokens: Tensor, watch: Watch | None = None) -> Tensor:
        """tokens [B, T] -> what the last block leaves, [B, T, D]."""
        x, rotary = self.begin(tokens)
        for block in self.blocks:
            x = block(x, rotary, watch)
        return x

    def show_patterns(self, tokens: Tensor, watch: Watch) -> None:
        """Shows ``watch`` every layer's values and pattern on tokens [B, T], and computes nothing behind the last.

        Layers without heads are passed over. Raises ValueError where no layer has any.
        """
        with_heads = self.config.layers_with_heads
        if not with_heads:
            raise ValueError(f"attention={self.config.attention}: this model has no attention to be seen")
        x, rotary = self.begin(tokens)
        for block in self.blocks[: with_heads[-1]]:
            x = block(x, rotary, watch if block.layer in with_heads else None)
        last = self.blocks[with_heads[-1]]
        last.attention.show(last.attention.project(last.norm_attention(x), rotary), watch, last.layer)

    def reach(self, layer: int, longest: int) -> Tensor:
        """How far what a layer puts out at a token can be carried by those behind it: for distances 0 ... ``longest``,
        whether it can reach the token so much later, [longest + 1]. From the last layer, only itself.
        """
        distances = torch.arange(longest + 1)
        between = distances[:, None] - distances
        reached = distances == 0
        for block in self.blocks[layer + 1 :]:
            reached = (block.attention.sees(between) & reached).any(1)
        return reached

    def step(self, tokens: Tensor, context: Context) -> Tensor:
        """Logits [B, V] after the last of the new ``tokens`` [B, t], which follow those that ``context`` holds.

        The first tokens are read at once, as long as all sequences have as many; later ones one by one.
        """
        if tokens.size(1) > 1 and any(context.lengths):
            for token in tokens.split(1, dim=1):
                logits = self.step(token, context)
            return logits
        place = context.place(tokens.device)
        x, rotary = self.begin(tokens, place)
        for block, cache in zip(self.blocks, context.caches, strict=True):
            x = block.step(x, rotary, cache, place, last=block is self.blocks[-1])
        context.lengths = [length + tokens.size(1) for length in context.lengths]
        return self.logits(x[:, -1])

    def new_context(self, batch: int, capacity: int | None = None) -> Context:
        """``batch`` sequences of which nothing has been read, with room for ``capacity`` tokens of each, or a block."""
        caches = [block.attention.new_cache(batch, capacity or self.config.block_size) for block in self.blocks]
        return Context(caches, [0] * batch)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats of ``targets`` [B, T], the tokens that follow ``tokens`` [B, T]."""
        x = self.norm(self.hidden(tokens))
        return head_loss(x.flatten(0, 1), self.head.weight, targets.flatten(), self.config.softcap)

    def begin(self, tokens: Tensor, place: Place = BEGINNING) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Embeds tokens [B, T] of which the first ones stand at ``place``: x [B, T, D] and their rotary angles."""
        end = place.longest + tokens.size(1)
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens do not fit into block_size={self.config.block_size}")
        x = self.embed(tokens)
        alike = isinstance(place.position, int)
        positions = slice(place.position, end) if alike else place.position[:, None]  # [B, 1]
        rotary = None
        if self.config.position == "learned":
            x = x + self.position.weight[positions]
        else:
            cos, sin = self.rotary_cos[positions], self.rotary_sin[positions]
            rotary = (cos, sin) if alike else (cos[:, None], sin[:, None])  # [T, d] or [B, 1, 1, d]
        if self.config.norm == "rmsnorm":
            x = rms_norm(x)
        return self.dropout(x), rotary

    def logits(self, x: Tensor) -> Tensor:
        """Hidden states [..., D] -> float32 logits [..., V], softly limited to (-softcap, softcap)."""
        return cap(self.head(self.norm(x)).float(), self.config.softcap)

    def n_parameters(self) -> int:
        """Trainable numbers; a tied head counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def flops_per_token(self) -> int:
        """Floating-point operations of forward and backward per token at full block (Chowdhery et al. 2022, app. B).

        6 per weight that multiplies, and what each layer's letter says for scores and mixing.
        """
        config = self.config
        lookups = 0 if config.tie_embeddings else self.embed.weight.numel()
        if config.position == "learned":
            lookups += self.position.weight.numel()
        mixing = sum(block.attention.flops_per_token(config.block_size) for block in self.blocks)
        return 6 * (self.n_parameters() - lookups) + mixing

    def kv_bytes_per_token(self) -> int:
        """Bytes that one more token of context adds to the caches of one sequence, once windows (W) are full.

        Windows and states (L, R) stay as large as they are; F and S keep every token's keys and values.
        """
        config = self.config
        growing = sum(letter in "FS" for letter in config.letters)
        return 2 * growing * config.n_kv_head * config.head_dim * self.embed.weight.element_size()
