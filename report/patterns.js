/* Attention patterns: bytes of lower triangles, and their drawing on canvas. */

/** Weights of every head of one text, as report/examples.py writes them; `rows` are the queries that are there. */
class Patterns {
  constructor(bytes, rows, levels) {
    this.bytes = bytes;
    this.levels = levels;
    this.starts = new Map();
    this.size = 0; // of one head
    for (const row of rows) {
      this.starts.set(row, this.size);
      this.size += row + 1;
    }
  }

  /** The weights of head number `k` at query `row` on tokens 0 .. row; null where the page has no such row. */
  row(k, row) {
    if (!this.starts.has(row)) return null;
    const start = k * this.size + this.starts.get(row);
    return Array.from(this.bytes.subarray(start, start + row + 1), (byte) => byte / this.levels);
  }
}

/** Draws head `k`: queries downwards, keys to the right, darker where the weight is larger. */
function drawPattern(canvas, patterns, k, n) {
  canvas.width = canvas.height = n;
  const context = canvas.getContext("2d");
  const image = context.createImageData(n, n);
  const [red, green, blue] = getComputedStyle(canvas).color.match(/\d+/g).map(Number);
  for (const [row, start] of patterns.starts) {
    for (let column = 0; column <= row; column++) {
      const weight = patterns.bytes[k * patterns.size + start + column] / patterns.levels;
      const at = 4 * (row * n + column);
      image.data.set([red, green, blue, 255 * (0.04 + 0.96 * Math.sqrt(weight))], at);
    }
  }
  context.putImageData(image, 0, 0);
}
