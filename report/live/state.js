/* What a person has chosen in the live section, and how it changes. */

const SLOTS = ["one", "other"]; // the sentence, and the one beside it
const FRESH = {
  text: "",
  other: null, // text of the second sentence
  head: null,
  row: null, // {slot, i}: the word attended from; null: the last
  hovered: null, // the same, while something points at it
  off: {}, // {"L.H": "zero" | "mean"}
  edits: [], // {slot, head, row, kind, a, b, anchor}: edits of one row, in order; see the worker's and keepAnchors
  words: null, // the two whose log-odds are shown; null: the likeliest two
  temperature: 0.8,
  seed: 0,
  picking: null, // {slot, kind, at, first}: words of an edit that is being made
};

const textOf = (state, slot) => (slot === "one" ? state.text : state.other);

const rowEditsOf = ({ edits }, slot) => edits.filter((edit) => edit.slot === slot);

/** The edits that hold in a slot, as the worker wants them. */
const editsOf = (state, slot) => ({
  off: state.off,
  rows: rowEditsOf(state, slot).map(({ head, row, kind, a, b, anchor }) => ({ head, row, kind, a, b, anchor })),
});

/** The state with head `name` off ("zero", "mean") or on again (null). */
function withHead({ off }, name, how) {
  const { [name]: _, ...others } = off;
  return { off: how ? { ...others, [name]: how } : others };
}

const withoutEdit = ({ edits }, gone) => ({ edits: edits.filter((edit) => edit !== gone) });

/** A text as a box can hold it. */
const boxText = (text) => text?.replaceAll(/\r\n?/g, "\n") ?? null;

/** The state with another text in a slot, in which the last word is attended from. */
const withText = (slot, text) => ({
  [slot === "one" ? "text" : "other"]: boxText(text),
  row: null,
  hovered: null,
  picking: null,
});

/** A word's tokens [start, end): those around token `i` that are letters or digits with nothing between them. */
function wordAround(texts, i) {
  const before = (k) => texts.slice(0, k).findLast((text) => text !== GOES_ON) ?? "";
  const goesOn = (k) =>
    k > 0 &&
    k < texts.length &&
    (texts[k] === GOES_ON || (/^[\p{L}\p{M}\p{N}]/u.test(texts[k]) && /[\p{L}\p{M}\p{N}]$/u.test(before(k))));
  let [start, end] = [i, i + 1];
  while (goesOn(start)) start--;
  while (goesOn(end)) end++;
  return [start, end];
}

/** The tokens [start, end) as one would say them. */
const spanText = (texts, [start, end]) => texts.slice(start, end).filter((text) => text !== GOES_ON).join("").trim();
