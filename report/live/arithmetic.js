/*
 * What a network computes besides attention: rows of numbers, linear layers, norms, activations.
 *
 * Every number of a row is computed in the same order whichever rows are computed with it, so that rows that are kept
 * equal those computed anew, to the last bit. Sums are float64, what is stored is float32.
 */

const RMS_EPS = 1e-6;
const LAYER_NORM_EPS = 1e-5;
const ROPE_BASE = 10_000;

/** Rows of `width` numbers in one array, `data`, which doubles when it is full. */
class Rows {
  constructor(width, Numbers = Float32Array) {
    this.width = width;
    this.data = new Numbers(0);
  }

  /** Makes space for n rows; those that are there stay. */
  reserve(n) {
    if (n * this.width <= this.data.length) return;
    const larger = new this.data.constructor(Math.max(n * this.width, 2 * this.data.length));
    larger.set(this.data);
    this.data = larger;
  }
}

/** a[i ...] · b[j ...] of n numbers: four sums, which do not wait for each other. */
function dot(a, i, b, j, n) {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const fours = n - (n % 4);
  for (let m = 0; m < fours; m += 4) {
    s0 += a[i + m] * b[j + m];
    s1 += a[i + m + 1] * b[j + m + 1];
    s2 += a[i + m + 2] * b[j + m + 2];
    s3 += a[i + m + 3] * b[j + m + 3];
  }
  for (let m = fours; m < n; m++) s0 += a[i + m] * b[j + m];
  return s0 + s1 + (s2 + s3);
}

/** y = W x + b. Each number is one sum over the columns, in order; four or eight of them are made side by side. */
class Linear {
  /** W [out, in] and, if there is one, b [out]. */
  constructor(weight, bias) {
    [this.nOut, this.nIn] = weight.shape;
    this.weight = weight.data;
    this.bias = bias ? bias.data : new Float32Array(this.nOut);
    this.four = new Float64Array(4 * this.nIn);
  }

  /** Rows `from` to `to` of y [T, out] out of those of x [T, in]. */
  apply(x, from, to, y) {
    let row = from;
    for (; row + 4 <= to; row += 4) this.fourRows(x, row, y);
    for (; row < to; row++) this.oneRow(x, row, y);
  }

  fourRows(x, row, y) {
    const { weight, bias, nIn, nOut, four } = this;
    for (let r = 0; r < 4; r++) for (let i = 0; i < nIn; i++) four[4 * i + r] = x[(row + r) * nIn + i];
    for (let out = 0; out < nOut; out += 2) {
      const other = out + 1 < nOut ? out + 1 : out; // an odd last one is made twice
      const w = out * nIn;
      const v = other * nIn;
      let a0 = bias[out];
      let a1 = a0;
      let a2 = a0;
      let a3 = a0;
      let b0 = bias[other];
      let b1 = b0;
      let b2 = b0;
      let b3 = b0;
      for (let i = 0, j = 0; i < nIn; i++, j += 4) {
        const a = weight[w + i];
        const b = weight[v + i];
        const x0 = four[j];
        const x1 = four[j + 1];
        const x2 = four[j + 2];
        const x3 = four[j + 3];
        a0 += a * x0;
        a1 += a * x1;
        a2 += a * x2;
        a3 += a * x3;
        b0 += b * x0;
        b1 += b * x1;
        b2 += b * x2;
        b3 += b * x3;
      }
      let at = row * nOut;
      y[at + out] = a0;
      y[at + other] = b0;
      y[(at += nOut) + out] = a1;
      y[at + other] = b1;
      y[(at += nOut) + out] = a2;
      y[at + other] = b2;
      y[(at += nOut) + out] = a3;
      y[at + other] = b3;
    }
  }

  oneRow(x, row, y) {
    const { weight, bias, nIn, nOut, four } = this;
    for (let i = 0; i < nIn; i++) four[i] = x[row * nIn + i];
    const last = nOut - 1;
    for (let out = 0; out < nOut; out += 4) {
      const o1 = Math.min(out + 1, last);
      const o2 = Math.min(out + 2, last);
      const o3 = Math.min(out + 3, last);
      let a0 = bias[out];
      let a1 = bias[o1];
      let a2 = bias[o2];
      let a3 = bias[o3];
      const w0 = out * nIn;
      const w1 = o1 * nIn;
      const w2 = o2 * nIn;
      const w3 = o3 * nIn;
      for (let i = 0; i < nIn; i++) {
        const value = four[i];
        a0 += weight[w0 + i] * value;
        a1 += weight[w1 + i] * value;
        a2 += weight[w2 + i] * value;
        a3 += weight[w3 + i] * value;
      }
      const at = row * nOut;
      y[at + out] = a0;
      y[at + o1] = a1;
      y[at + o2] = a2;
      y[at + o3] = a3;
    }
  }
}

const namedLinear = (tensors, name) => new Linear(tensors[`${name}.weight`], tensors[`${name}.bias`]);

/** x[at ...] / rms(x), n numbers, in their own array (Zhang & Sennrich 2019). */
function rmsNorm(x, at, n) {
  const scale = rmsScale(x, at, n);
  for (let i = at; i < at + n; i++) x[i] *= scale;
}

const rmsScale = (x, at, n) => 1 / Math.sqrt(dot(x, at, x, at, n) / n + RMS_EPS);

/** x / rms(x) over each row, without a gain. */
class RmsNorm {
  constructor(width) {
    this.width = width;
  }

  apply(x, from, to, y) {
    const n = this.width;
    for (let at = from * n; at < to * n; at += n) {
      const scale = rmsScale(x, at, n);
      for (let i = at; i < at + n; i++) y[i] = x[i] * scale;
    }
  }

  /** g [D] such that norm(x) · direction = g · x + a constant, with the scale that `row` of x has. */
  frozen(x, row, direction) {
    const scale = rmsScale(x, row * this.width, this.width);
    return direction.map((value) => value * scale);
  }
}

/** (x - mean) / deviation over each row, with a gain and perhaps a bias (Ba et al. 2016). */
class LayerNorm {
  constructor(width, gain, bias) {
    this.width = width;
    this.gain = gain.data;
    this.bias = bias ? bias.data : new Float32Array(this.width);
  }

  /** The mean of n = width numbers from `at`, and 1 / their deviation. */
  moments(x, at) {
    const n = this.width;
    let mean = 0;
    for (let i = at; i < at + n; i++) mean += x[i];
    mean /= n;
    let variance = 0;
    for (let i = at; i < at + n; i++) variance += (x[i] - mean) ** 2;
    return [mean, 1 / Math.sqrt(variance / n + LAYER_NORM_EPS)];
  }

  apply(x, from, to, y) {
    const n = this.width;
    for (let at = from * n; at < to * n; at += n) {
      const [mean, scale] = this.moments(x, at);
      for (let i = 0; i < n; i++) y[at + i] = (x[at + i] - mean) * scale * this.gain[i] + this.bias[i];
    }
  }

  /** As RmsNorm's; the constant is the bias's part. */
  frozen(x, row, direction) {
    const [, scale] = this.moments(x, row * this.width);
    const scaled = direction.map((value, i) => value * scale * this.gain[i]);
    const mean = scaled.reduce((sum, value) => sum + value, 0) / this.width;
    return scaled.map((value) => value - mean);
  }
}

/** No norm: each row as it is. */
class NoNorm {
  constructor(width) {
    this.width = width;
  }

  apply(x, from, to, y) {
    for (let i = from * this.width; i < to * this.width; i++) y[i] = x[i];
  }

  /** As RmsNorm's. */
  frozen(x, row, direction) {
    return direction;
  }
}

const NORMS = { rmsnorm: RmsNorm, layernorm: LayerNorm, none: NoNorm };

/** softmax over the n numbers of x from `at`, in their own array; -Infinity becomes 0. */
function softmax(x, at, n) {
  let largest = -Infinity;
  for (let i = at; i < at + n; i++) if (x[i] > largest) largest = x[i];
  for (let i = at; i < at + n; i++) x[i] = Math.exp(x[i] - largest);
  divideBySum(x, at, n);
}

/** The n numbers of x from `at`, none of them negative, by their sum, in their own array; zeros stay. */
function divideBySum(x, at, n) {
  let sum = 0;
  for (let i = at; i < at + n; i++) sum += x[i];
  sum = Math.max(sum, 1e-30);
  for (let i = at; i < at + n; i++) x[i] /= sum;
}

/** The error function: 2 x exp(-x²) / √π times the sum of (2 x²)ⁿ / (1 · 3 · 5 ... (2 n + 1)), all of one sign. */
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x); // to the last bit
  let term = (2 * x * Math.exp(-x * x)) / Math.sqrt(Math.PI);
  let sum = term;
  for (let odd = 3; Math.abs(term) > 1e-17 * Math.abs(sum); odd += 2) {
    term *= (2 * x * x) / odd;
    sum += term;
  }
  return sum;
}

const ACTIVATIONS = {
  relu2: (x) => (x > 0 ? x * x : 0), // So et al. 2021
  gelu: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))), // GPT-2's approximation
  gelu_exact: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  relu: (x) => Math.max(x, 0),
};
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const logSigmoid = (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));

/** Cosines and sines of RoPE's angles, position * base^(-2i/d), in float32 as PyTorch has them: [positions, d / 2]. */
function rotaryTable(nPositions, headDim) {
  const half = headDim / 2;
  const frequency = Float32Array.from({ length: half }, (_, i) => ROPE_BASE ** -Math.fround((2 * i) / headDim));
  const angle = Float32Array.from({ length: nPositions * half }, (_, i) => Math.floor(i / half) * frequency[i % half]);
  return { cos: angle.map(Math.cos), sin: angle.map(Math.sin) };
}

/** Turns each pair (x[i], x[i + d/2]) of the d numbers from `at` by minus the angle of `position`, in their array. */
function rotate(x, at, d, { cos, sin }, position) {
  const half = d / 2;
  for (let i = 0; i < half; i++) {
    const c = cos[position * half + i];
    const s = sin[position * half + i];
    const a = x[at + i];
    const b = x[at + half + i];
    x[at + i] = a * c + b * s;
    x[at + half + i] = b * c - a * s;
  }
}
