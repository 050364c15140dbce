/*
 * Causal self-attention: softmax(Q Kᵀ / √d) V (Vaswani et al. 2017, equation 1); as in model/attention.py, one query at
 * a time. `weights` is softmax(Q Kᵀ / √d), `sumValues` multiplies by V.
 *
 * A class for each attention type holds its weights; what it has read of a text is in a memory, {name: Rows}.
 * Shapes: T tokens, H query heads, Hkv key/value heads, d numbers a head, D = H * d.
 */

/** Type F: every token attends to itself and to every earlier token. Groups of heads may share keys and values. */
class CausalSelfAttention {
  constructor(config, layer, tensors) {
    const linear = (name) => namedLinear(tensors, `blocks.${layer}.attention.${name}`);
    [this.q, this.k, this.v, this.o] = ["q", "k", "v", "o"].map(linear);
    this.nHead = config.n_head;
    this.nKvHead = config.kv_heads;
    this.headDim = config.head_dim;
    this.scale = config.scale_attention ? config.head_dim ** -0.5 : 1;
    this.qkNorm = config.qk_norm;
    this.means = tensors[`means.${layer}`]?.data; // [H, d]: each head's mean output over other text
    this.sum = new Float64Array(config.head_dim);
  }

  newMemory() {
    const [q, k, v, z] = [this.nHead, this.nKvHead, this.nKvHead, this.nHead].map((n) => new Rows(n * this.headDim));
    return { q, k, v, z, row: new Rows(1) };
  }

  /** Queries [T, H, d], keys and values [T, Hkv, d] of rows x [T, D], with positions and normalisation applied. */
  project(x, from, to, rotary, { q, k, v }) {
    this.q.apply(x, from, to, q.data);
    this.k.apply(x, from, to, k.data);
    this.v.apply(x, from, to, v.data);
    for (const { data, width } of [q, k])
      for (let at = from * width; at < to * width; at += this.headDim) {
        if (rotary) rotate(data, at, this.headDim, rotary, Math.floor(at / width));
        if (this.qkNorm) rmsNorm(data, at, this.headDim);
      }
  }

  /** Whether a query sees the key that many tokens before it; never a negative number of them. */
  mask(distance) {
    return distance >= 0;
  }

  /** Of one head and row: what share of its attention the query gives to each key, into `weights` [row + 1]. */
  weights(head, row, { q, k }, weights) {
    const d = this.headDim;
    const query = row * q.width + head * d;
    for (let key = 0; key <= row; key++)
      weights[key] = this.mask(row - key)
        ? dot(q.data, query, k.data, key * k.width + this.group(head) * d, d) * this.scale
        : -Infinity;
    softmax(weights, 0, row + 1);
  }

  /** The key/value head that a query head shares with its neighbours. */
  group(head) {
    return Math.floor((head * this.nKvHead) / this.nHead);
  }

  /** `weights`, changed as `edits` (LayerEdits) say: a part of the memory, until the next call. */
  pattern(head, row, edits, memory) {
    const weights = memory.row.data.subarray(0, row + 1);
    this.weights(head, row, memory, weights);
    edits.apply(head, row, weights, (distance) => this.mask(distance));
    return weights;
  }

  /** The heads' outputs z [T, H, d] in some rows: pattern V, or what stands for a head that is off. */
  attend(from, to, edits, memory) {
    for (let head = 0; head < this.nHead; head++) {
      const off = edits.off.get(head);
      for (let row = from; row < to; row++) {
        if (off) this.switchOff(head, row, off, memory.z);
        else this.sumValues(head, row, this.pattern(head, row, edits, memory), memory);
      }
    }
  }

  sumValues(head, row, pattern, { v, z }) {
    const { headDim, sum } = this;
    sum.fill(0);
    for (let key = 0; key <= row; key++) {
      const weight = pattern[key];
      if (weight === 0) continue;
      const at = key * v.width + this.group(head) * headDim;
      for (let i = 0; i < headDim; i++) sum[i] += weight * v.data[at + i];
    }
    z.data.set(sum, row * z.width + head * headDim);
  }

  switchOff(head, row, kind, z) {
    for (let i = head * this.headDim; i < (head + 1) * this.headDim; i++)
      z.data[row * z.width + i] = kind === "mean" ? this.means[i] : 0;
  }
}

/** Type W: every token attends to the last `window` tokens, its own among them. */
class WindowAttention extends CausalSelfAttention {
  constructor(config, layer, tensors) {
    super(config, layer, tensors);
    this.window = config.window;
  }

  mask(distance) {
    return distance >= 0 && distance < this.window;
  }
}

/** Type S: every token attends to itself and to every `stride`-th token before it. */
class StridedAttention extends CausalSelfAttention {
  constructor(config, layer, tensors) {
    super(config, layer, tensors);
    this.stride = config.stride;
  }

  mask(distance) {
    return distance >= 0 && distance % this.stride === 0;
  }
}

/**
 * Type L: gated linear attention, as in model/linear.py. The weight of key s for query t is φ(q_t) · φ(k_s), times what
 * the gates of the tokens between them have left of it; a row is divided by its sum.
 */
class LinearAttention extends CausalSelfAttention {
  constructor(config, layer, tensors) {
    super(config, layer, tensors);
    this.gate = namedLinear(tensors, `blocks.${layer}.attention.gate`);
  }

  /** Besides: φ of queries and keys, the gates' logits, and the logarithm of what is left of the text's beginning. */
  newMemory() {
    const [phiQ, phiK] = [this.nHead, this.nKvHead].map((n) => new Rows(n * 2 * this.headDim));
    return { ...super.newMemory(), phiQ, phiK, gate: new Rows(this.nHead), left: new Rows(this.nHead, Float64Array) };
  }

  project(x, from, to, rotary, memory) {
    super.project(x, from, to, rotary, memory);
    const { q, k, phiQ, phiK, gate, left } = memory;
    features(q, phiQ, from, to, this.headDim);
    features(k, phiK, from, to, this.headDim);
    this.gate.apply(x, from, to, gate.data);
    for (let i = from * this.nHead; i < to * this.nHead; i++)
      left.data[i] = (i < this.nHead ? 0 : left.data[i - this.nHead]) + Math.fround(logSigmoid(gate.data[i]));
  }

  weights(head, row, { phiQ, phiK, left }, weights) {
    const n = 2 * this.headDim;
    const query = row * phiQ.width + head * n;
    const here = left.data[row * this.nHead + head];
    for (let key = 0; key <= row; key++) {
      const between = Math.exp(here - left.data[key * this.nHead + head]);
      weights[key] = dot(phiQ.data, query, phiK.data, key * phiK.width + this.group(head) * n, n) * between;
    }
    divideBySum(weights, 0, row + 1);
  }
}

const SMALLEST = 1e-12; // of φ, so that a row's weights cannot all be 0

/** φ: [T, heads, d] -> [T, heads, 2 d], a softmax of each head's numbers and their negatives. */
function features(x, phi, from, to, d) {
  for (let at = from * x.width; at < to * x.width; at += d) {
    const there = 2 * at;
    for (let i = 0; i < d; i++) {
      phi.data[there + i] = x.data[at + i];
      phi.data[there + d + i] = -x.data[at + i];
    }
    softmax(phi.data, there, 2 * d);
    for (let i = there; i < there + 2 * d; i++) phi.data[i] = Math.max(phi.data[i], SMALLEST);
  }
}

/** Type R: a gated recurrent unit (Cho et al. 2014) in attention's place, as in model/recurrent.py. It has no heads. */
class Recurrent {
  constructor(config, layer, tensors) {
    const name = `blocks.${layer}.attention`;
    const gru = (part) => new Linear(tensors[`${name}.gru.weight_${part}_l0`], tensors[`${name}.gru.bias_${part}_l0`]);
    [this.input, this.hidden] = [gru("ih"), gru("hh")]; // reset, update and new value, one after the other
    this.o = namedLinear(tensors, `${name}.o`);
  }

  /** z: the states [T, h]; what the gates get from the token and from the state after it, [T, 3 h]. */
  newMemory() {
    const h = this.hidden.nIn;
    return { z: new Rows(h), input: new Rows(3 * h), hidden: new Rows(3 * h) };
  }

  project(x, from, to, rotary, { input }) {
    this.input.apply(x, from, to, input.data);
  }

  attend(from, to, edits, { z, input, hidden }) {
    const h = z.width;
    for (let row = from; row < to; row++) {
      if (row > 0) this.hidden.apply(z.data, row - 1, row, hidden.data);
      const before = row > 0 ? hidden.data.subarray((row - 1) * 3 * h, row * 3 * h) : this.hidden.bias;
      const token = input.data.subarray(row * 3 * h, (row + 1) * 3 * h);
      for (let i = 0; i < h; i++) {
        const reset = sigmoid(token[i] + before[i]);
        const update = sigmoid(token[h + i] + before[h + i]);
        const value = Math.tanh(token[2 * h + i] + reset * before[2 * h + i]);
        const old = row > 0 ? z.data[(row - 1) * h + i] : 0;
        z.data[row * h + i] = (1 - update) * value + update * old;
      }
    }
  }
}

const ATTENTION = {
  F: CausalSelfAttention,
  W: WindowAttention,
  S: StridedAttention,
  L: LinearAttention,
  R: Recurrent,
};
