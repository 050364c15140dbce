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

const ESCAPED = /\\(?:x[\da-f]{2}|u[\da-f]{4}|U[\da-f]{8})/g; // as marks without a shape are shown
const RIGHT_TO_LEFT = /^\P{L}*(?=\p{L})[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** The direction of a text by its first letter; words that are isolated, as those of a page are, do not give it. */
const directionOf = (tokens) =>
  RIGHT_TO_LEFT.test(tokens.filter((token) => token !== START).join("").replace(ESCAPED, "")) ? "rtl" : "ltr";

/** The one of n words that a key leads to from the word `now`, as `keyMove`; undefined: it leads to none. */
function wordByKey(event, now, n) {
  const on = event.currentTarget.dir === "rtl" ? -1 : 1;
  return keyMove(event, { ArrowLeft: within(n, now - on), ArrowRight: within(n, now + on), Home: 0, End: n - 1 });
}

/** The indices of the largest weights, largest first. */
const heaviest = (weights) =>
  Array.from(weights, (_, i) => i)
    .sort((one, other) => weights[other] - weights[one])
    .slice(0, HEAVIEST);
