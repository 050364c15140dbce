/* Text in running words: what stands between them, and how weights and probabilities are written. */

const HEAVIEST = 3; // words named in numbers
const START = "⟨start⟩"; // what the end token is shown as, which begins most texts

const inSpans = (spans, i) => spans.some(([start, end]) => i >= start && i < end);

/** A probability; a small one is not shown as 0. */
const chance = (p) => (p < 0.0005 ? "< 0.1\u00a0%" : percent(p, 1));

/** Words with what stands between them in running text: spaces, and line breaks after tokens that are such. */
const runningText = (nodes, tokens) =>
  nodes.flatMap((node, i) => [
    tokens[i].startsWith(" ") || (i === 1 && tokens[0] === START) ? " " : "",
    node,
    tokens[i] === "␣" ? h("wbr") : "",
    /^\s*↵+$/.test(tokens[i]) ? h("br") : "",
  ]);

/** The indices of the largest weights, largest first. */
const heaviest = (weights) =>
  Array.from(weights, (_, i) => i)
    .sort((one, other) => weights[other] - weights[one])
    .slice(0, HEAVIEST);
