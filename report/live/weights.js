/* The network's weights out of the page, where they are float16, as float32 arrays by name. */

/** The number of each of the 65,536 patterns of 16 bits (IEEE 754). */
function float16Numbers() {
  const numbers = new Float32Array(1 << 16);
  for (let bits = 0; bits < numbers.length; bits++) {
    const sign = bits >> 15 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = (bits & 1023) / 1024;
    numbers[bits] = sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
    if (exponent === 31) numbers[bits] = fraction ? NaN : sign * Infinity; // never packed, but a file may be damaged
  }
  return numbers;
}

/**
 * {name: { shape, data }}. `described`: [{ name, shape, start }] of "model.json"; `bytes`: the part "weights", an
 * ArrayBuffer or a Uint8Array. Throws where that is not as long as the tensors are together.
 */
function readTensors(described, bytes) {
  const halves = new Uint16Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength >> 1);
  const size = ({ shape }) => shape.reduce((product, n) => product * n, 1);
  const expected = described.reduce((sum, tensor) => sum + size(tensor), 0);
  if (halves.length !== expected) throw new Error(`the page holds ${halves.length} weights of ${expected}`);
  const numbers = float16Numbers();
  const tensors = {};
  for (const tensor of described) {
    const data = new Float32Array(size(tensor));
    for (let i = 0; i < data.length; i++) data[i] = numbers[halves[tensor.start + i]];
    tensors[tensor.name] = { shape: tensor.shape, data };
  }
  return tensors;
}
