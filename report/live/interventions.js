/*
 * Changes of heads: one row of one head's weights, or its output in every row; as probing/interventions.py.
 *
 * edits = { off: {"L.H": "zero" | "mean"}, rows: [{ head: "L.H", row, kind, a: [start, end), b: [start, end) }] }
 *
 *   swap  a and b exchange what they get, each spread as its own was
 *   cut   a gets nothing; the rest is scaled up
 *   only  a gets everything, spread as its own was
 * Of a and b, the tokens count that the head sees from this row. Without any, a row stays as it is.
 */

const ROW_EDITS = {
  swap(weights, a, b) {
    if (a.length === 0 || b.length === 0) return;
    const [massA, massB] = [massOf(weights, a), massOf(weights, b)];
    const [sharesA, sharesB] = [shares(weights, a), shares(weights, b)];
    for (const key of [...a, ...b]) weights[key] = 0;
    a.forEach((key, i) => (weights[key] += sharesA[i] * massB));
    b.forEach((key, i) => (weights[key] += sharesB[i] * massA));
  },
  cut(weights, a) {
    if (a.length === 0) return;
    for (const key of a) weights[key] = 0;
    divideBySum(weights, 0, weights.length);
  },
  only(weights, a) {
    if (a.length === 0) return;
    const own = shares(weights, a);
    weights.fill(0);
    a.forEach((key, i) => (weights[key] = own[i]));
  },
};

const massOf = (weights, keys) => keys.reduce((sum, key) => sum + weights[key], 0);

/** The shares of a span's mass that its tokens have; even ones where it has none. */
function shares(weights, keys) {
  const mass = massOf(weights, keys);
  return keys.map((key) => (mass > 0 ? weights[key] / mass : 1 / keys.length));
}

/** What is changed in one layer: `off`, kinds by head, and `rows`, edits by row, in order. */
class LayerEdits {
  constructor() {
    this.off = new Map();
    this.rows = new Map();
  }

  /** Changes `weights` [row + 1] of a head; `mask(distance)`: whether it sees the key that many tokens before. */
  apply(head, row, weights, mask) {
    for (const edit of this.rows.get(row) ?? []) {
      if (edit.head !== head) continue;
      const seen = ([start, end] = [0, 0]) =>
        Array.from(weights.keys()).filter((key) => start <= key && key < end && mask(row - key));
      ROW_EDITS[edit.kind](weights, seen(edit.a), seen(edit.b));
    }
  }

  /** The first row in which these differ from `other`; Infinity where they are the same. */
  firstDifference(other) {
    const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
    if (!same([...this.off].sort(), [...other.off].sort())) return 0;
    const rows = [...this.rows.keys(), ...other.rows.keys()];
    return Math.min(...rows.filter((row) => !same(this.rows.get(row), other.rows.get(row))));
  }
}

/** LayerEdits of every layer; throws where an edit names a head or a kind that `network` lacks. */
function editsByLayer(network, { off = {}, rows = [] }) {
  const layers = network.blocks.map(() => new LayerEdits());
  const locate = (name) => {
    if (!network.heads.includes(name)) throw new Error(`head ${name}: this model has no such head`);
    return name.split(".").map(Number);
  };
  for (const [name, kind] of Object.entries(off)) {
    const [layer, head] = locate(name);
    if (kind !== "zero" && kind !== "mean") throw new Error(`off=${kind}: must be zero or mean`);
    if (kind === "mean" && !network.blocks[layer].attention.means)
      throw new Error(`head ${name}: this page does not hold its mean output; choose zero`);
    layers[layer].off.set(head, kind);
  }
  for (const { head: name, row, kind, a, b } of rows) {
    const [layer, head] = locate(name);
    if (!Object.hasOwn(ROW_EDITS, kind)) throw new Error(`kind=${kind}: must be ${Object.keys(ROW_EDITS).join(", ")}`);
    const edits = layers[layer].rows;
    edits.set(row, [...(edits.get(row) ?? []), { head, kind, a, b }]);
  }
  return layers;
}
