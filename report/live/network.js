/*
 * The decoder-only transformer, as in model/gpt.py, and a text as it has read it.
 *
 * Shapes: T tokens, D numbers a token in the residual stream, V tokens in the vocabulary.
 */

const makeNorm = (config, tensors, name) =>
  new NORMS[config.norm](config.n_embd, tensors[`${name}.weight`], tensors[`${name}.bias`]);

/** Four times wider and back, with one of ACTIVATIONS between. */
class Mlp {
  constructor(config, name, tensors) {
    [this.up, this.down] = ["up", "down"].map((part) => namedLinear(tensors, `${name}.${part}`));
    this.activation = ACTIVATIONS[config.mlp];
  }

  /** Rows of y [T, D] out of those of x [T, D]; `hidden` [T, 4 D] is overwritten. */
  apply(x, from, to, hidden, y) {
    const n = this.up.nOut;
    this.up.apply(x, from, to, hidden);
    for (let i = from * n; i < to * n; i++) hidden[i] = this.activation(hidden[i]);
    this.down.apply(hidden, from, to, y);
  }
}

/** x + attention(norm(x)), then x + mlp(norm(x)), where there is a feed-forward layer. */
class Block {
  constructor(config, layer, tensors) {
    const name = `blocks.${layer}`;
    this.normAttention = makeNorm(config, tensors, `${name}.norm_attention`);
    this.attention = new ATTENTION[config.attention_types[layer]](config, layer, tensors);
    if (config.mlp === "none") return;
    this.normMlp = makeNorm(config, tensors, `${name}.norm_mlp`);
    this.mlp = new Mlp(config, `${name}.mlp`, tensors);
  }

  /**
   * Rows of the residual stream, x [T, D], into `next` [T, D]. Rows `inputFrom` to `to` of x are new; what the heads put
   * out changes from row `outputFrom` on, not later than `inputFrom`.
   */
  apply(x, next, { inputFrom, outputFrom, to }, { rotary, edits, memory, scratch }) {
    const { normed, added, hidden } = scratch;
    this.normAttention.apply(x, inputFrom, to, normed.data);
    this.attention.project(normed.data, inputFrom, to, rotary, memory);
    this.attention.attend(outputFrom, to, edits, memory);
    this.attention.o.apply(memory.z.data, outputFrom, to, added.data); // each head through its part of W_O, added up
    const [start, end] = [outputFrom * added.width, to * added.width];
    for (let i = start; i < end; i++) next[i] = x[i] + added.data[i];
    if (!this.mlp) return;
    this.normMlp.apply(next, outputFrom, to, normed.data);
    this.mlp.apply(normed.data, outputFrom, to, hidden.data, added.data);
    for (let i = start; i < end; i++) next[i] += added.data[i];
  }
}

/** A causal language model. `config`: "config" of "model.json"; `tensors`: as readTensors gives them. */
class Network {
  constructor(config, tensors) {
    this.config = config;
    this.embedding = tensors["embed.weight"]; // [V, D]
    this.position = tensors["position.weight"]; // [block, D], where positions are learned
    this.rotary = config.position === "rope" ? rotaryTable(config.block_size, config.head_dim) : null;
    this.blocks = Array.from(config.attention_types, (_, layer) => new Block(config, layer, tensors));
    this.norm = makeNorm(config, tensors, "norm");
    this.head = new Linear(tensors["head.weight"] ?? this.embedding, tensors["head.bias"]); // a tied head is the embedding
    this.heads = this.blocks.flatMap(({ attention }, layer) =>
      Array.from({ length: attention.nHead ?? 0 }, (_, head) => `${layer}.${head}`),
    );
  }

  /** What the first layer reads of a token at a position, into a row of x [T, D]. */
  embed(token, position, x) {
    const n = this.config.n_embd;
    const at = position * n;
    for (let i = 0; i < n; i++) x[at + i] = this.embedding.data[token * n + i];
    if (this.position) for (let i = 0; i < n; i++) x[at + i] += this.position.data[at + i];
    if (this.config.norm === "rmsnorm") rmsNorm(x, at, n);
  }
}

/**
 * A text as a network has read it, perhaps with edits (interventions.js).
 *
 * What was computed is kept. Row t of what a layer reads is still right if tokens 0 ... t are the same and so are the
 * edits of all layers below in rows up to t; only the others are computed when the text or the edits change.
 */
class Reading {
  constructor(network) {
    const { n_embd: width } = network.config;
    this.network = network;
    this.tokens = [];
    this.edits = network.blocks.map(() => new LayerEdits());
    this.x = Array.from({ length: network.blocks.length + 1 }, () => new Rows(width)); // what each layer reads
    this.memories = network.blocks.map(({ attention }) => attention.newMemory());
    this.scratch = { normed: new Rows(width), added: new Rows(width), hidden: new Rows(4 * width) };
  }

  /** Reads `tokens`, ids, at most a block of them, under `edits`. Throws where these do not fit the network. */
  read(tokens, edits = {}) {
    const { network } = this;
    const n = tokens.length;
    const most = network.config.block_size;
    if (n > most) throw new Error(`the text has ${n} tokens; this model reads ${most} at most`);
    const layers = editsByLayer(network, edits);
    let inputFrom = sharedBeginning(this.tokens, tokens);
    for (const rows of [this.scratch, this.x, ...this.memories].flatMap(Object.values)) rows.reserve(n);
    for (let row = inputFrom; row < n; row++) network.embed(tokens[row], row, this.x[0].data);
    network.blocks.forEach((block, layer) => {
      const outputFrom = Math.min(inputFrom, layers[layer].firstDifference(this.edits[layer]));
      const [x, next] = [this.x[layer].data, this.x[layer + 1].data];
      const shared = { rotary: network.rotary, scratch: this.scratch };
      const own = { edits: layers[layer], memory: this.memories[layer] };
      block.apply(x, next, { inputFrom, outputFrom, to: n }, { ...shared, ...own });
      inputFrom = outputFrom; // of the next layer
    });
    this.tokens = Array.from(tokens);
    this.edits = layers;
  }

  /** The last norm of what the last layer has left in a row: [D]. */
  normed(row) {
    const { data, width } = this.x.at(-1);
    const normed = new Float32Array(width);
    this.network.norm.apply(data.subarray(row * width, (row + 1) * width), 0, 1, normed);
    return normed;
  }

  /** The logits [V] of the token that follows a row, softly limited as the network does. */
  logits(row) {
    const { head, config } = this.network;
    const logits = new Float32Array(head.nOut);
    head.apply(this.normed(row), 0, 1, logits);
    const { softcap } = config;
    return softcap ? logits.map((logit) => softcap * Math.tanh(logit / softcap)) : logits;
  }

  /** The attention weights [row + 1] of a head in a row, as the edits have left them. */
  pattern(layer, head, row) {
    return this.network.blocks[layer].attention.pattern(head, row, this.edits[layer], this.memories[layer]).slice();
  }

  /**
   * What each head adds to logit(one) - logit(other) after a row, in nats, through the last norm with its scale as it
   * is and before softcap (direct logit attribution): { heads: {"L.H": nats}, rest: nats }, together the difference.
   */
  contributions(row, one, other) {
    const { head, norm, blocks } = this.network;
    const n = head.nIn;
    const direction = Float64Array.from({ length: n }, (_, i) => head.weight[one * n + i] - head.weight[other * n + i]);
    const gradient = norm.frozen(this.x.at(-1).data, row, direction); // [D], by the residual stream
    const heads = {};
    let rest = dot(this.normed(row), 0, direction, 0, n) + head.bias[one] - head.bias[other];
    for (const [layer, { attention }] of blocks.entries()) {
      if (!attention.nHead) continue;
      const { data, width } = this.memories[layer].z;
      const d = attention.headDim;
      const byZ = new Float64Array(width); // W_Oᵀ gradient
      for (let i = 0; i < n; i++)
        for (let j = 0; j < width; j++) byZ[j] += attention.o.weight[i * width + j] * gradient[i];
      for (let h = 0; h < attention.nHead; h++) {
        const nats = dot(data, row * width + h * d, byZ, h * d, d);
        heads[`${layer}.${h}`] = nats;
        rest -= nats;
      }
    }
    return { heads, rest };
  }
}

/** How many tokens two texts begin with in common. */
function sharedBeginning(a, b) {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}
