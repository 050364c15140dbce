/*
 * The state as the fragment of the page's address, so that it can be kept and sent:
 *
 *   text=...                     the sentence; all else may be missing
 *   other=...                    the second sentence
 *   head=L.H                     the chosen head
 *   row=one:12                   the word attended from: slot and token
 *   off=1.2,2.0:mean             heads that are off: zero, or their mean
 *   edit=one:2.1:12:swap:3-4:7-8 (any number) slot, head, row, kind, tokens [start, end); kinds: swap, cut, only
 *   for=cat&against=mat          the two words of the log-odds
 *   temperature=0.8&seed=0
 *
 * A fragment is somebody else's text: what does not fit this exactly changes nothing. One without "=" names a section.
 */

const MOST_TEXT = 4_000; // characters of a text in an address
const MOST_FRAGMENT = 30_000; // characters
const MOST_EDITS = 64;
const MOST_SEED = 2 ** 32 - 1;
const NUMBERS = { temperature: [/^\d(\.\d{1,3})?$/, 5], seed: [/^\d{1,10}$/, MOST_SEED] }; // how each is written; the largest
const ONCE = ["text", "other", "head", "row", "off", "for", "against", "temperature", "seed"];
const EDIT =
  /^(one|other):(\d{1,3}\.\d{1,3}):(\d{1,5}):(?:(swap):(\d{1,5}-\d{1,5}):(\d{1,5}-\d{1,5})|(cut|only):(\d{1,5}-\d{1,5}))$/;

const spanOf = (text) => text?.split("-").map(Number);

function requireThat(fits, what) {
  if (!fits) throw new RangeError(what);
}

/** The fragment of a state, without "#", and without edits that are stale by `verdicts`; null where it is too long. */
function toFragment(state, verdicts) {
  const texts = [state.text, state.other, ...(state.words ?? [])];
  if (texts.some((text) => text?.length > MOST_TEXT) || state.edits.length > MOST_EDITS) return null;
  const fragment = new URLSearchParams({ text: state.text });
  const add = (key, value) => value !== null && value !== undefined && value !== "" && fragment.append(key, value);
  if (state.other !== null) fragment.append("other", state.other);
  add("head", state.head);
  add("row", state.row && `${state.row.slot}:${state.row.i}`);
  add(
    "off",
    Object.entries(state.off)
      .map(([head, how]) => (how === "mean" ? `${head}:mean` : head))
      .join(","),
  );
  for (const { slot, head, row, kind, a, b } of state.edits.filter((edit) => !verdicts.get(edit)?.stale))
    add("edit", [slot, head, row, kind, a.join("-"), ...(b ? [b.join("-")] : [])].join(":"));
  add("for", state.words?.[0]);
  add("against", state.words?.[1]);
  if (state.temperature !== FRESH.temperature) add("temperature", state.temperature);
  if (state.seed !== FRESH.seed) add("seed", state.seed);
  const written = fragment.toString(); // nine characters for one of a text, at most
  return written.length > MOST_FRAGMENT ? null : written;
}

/** The state that a fragment names; raises RangeError, which says what does not fit. `model`: {heads: Set, first, hasMeans}. */
function fromFragment(fragment, model) {
  requireThat(fragment.length <= MOST_FRAGMENT, "it is too long");
  const given = new URLSearchParams(fragment);
  const edits = given.getAll("edit");
  const others = [...given.keys()].filter((key) => key !== "edit");
  requireThat(
    others.every((key) => ONCE.includes(key)),
    "it has a name that is not known",
  );
  requireThat(new Set(others).size === others.length, "it says something twice");
  requireThat(given.has("text"), "it has no text");
  requireThat(edits.length <= MOST_EDITS, "it has too many edits");
  const state = { ...FRESH, text: boxText(given.get("text")), other: boxText(given.get("other")) };
  requireThat(
    [state.text, state.other ?? ""].every((text) => text.length <= MOST_TEXT),
    "its text is too long",
  );
  const knownHead = (name) => (requireThat(model.heads.has(name), "this model has no such head"), name);
  const knownSlot = (slot) => (requireThat(slot === "one" || state.other !== null, "it has no second sentence"), slot);
  state.head = given.has("head") ? knownHead(given.get("head")) : model.first;
  if (given.has("row")) state.row = rowFrom(given.get("row"), knownSlot);
  if (given.has("off")) state.off = offFrom(given.get("off"), knownHead, model.hasMeans);
  state.edits = edits.map((edit) => editFrom(edit, knownHead, knownSlot));
  state.words = wordsFrom(given.get("for"), given.get("against"));
  for (const key of Object.keys(NUMBERS)) if (given.has(key)) state[key] = numberFrom(key, given.get(key));
  return state;
}

function rowFrom(text, knownSlot) {
  const [, slot, i] = /^(one|other):(\d{1,5})$/.exec(text) ?? [];
  requireThat(slot, "its row is none");
  return { slot: knownSlot(slot), i: +i };
}

function offFrom(text, knownHead, hasMeans) {
  const off = {};
  for (const item of text.split(",")) {
    const [head, how = "zero", ...more] = item.split(":");
    requireThat(!more.length && (how === "zero" || (how === "mean" && hasMeans)), "a head cannot be off in that way");
    off[knownHead(head)] = how;
  }
  return off;
}

function editFrom(text, knownHead, knownSlot) {
  const [, slot, head, row, swap, first, second, kind, only] = EDIT.exec(text) ?? [];
  requireThat(slot, "an edit is none");
  const edit = {
    slot: knownSlot(slot),
    head: knownHead(head),
    row: +row,
    kind: swap ?? kind,
    a: spanOf(first ?? only),
    anchor: null,
  };
  if (swap) edit.b = spanOf(second);
  for (const [start, end] of swap ? [edit.a, edit.b] : [edit.a])
    requireThat(start < end && end <= edit.row + 1, "an edit has words that its row cannot see");
  requireThat(!swap || edit.a[1] <= edit.b[0] || edit.b[1] <= edit.a[0], "an edit exchanges a word with itself");
  return edit;
}

function wordsFrom(one, other) {
  if (one === null && other === null) return null;
  requireThat(
    [one, other].every((word) => word && word.length <= MOST_TEXT),
    "it needs two words",
  );
  return [one, other];
}

/** Whether a number, as text, can stand for `key` in an address. */
const isNumberOf = (key, text) => NUMBERS[key][0].test(text) && +text <= NUMBERS[key][1];

function numberFrom(key, text) {
  requireThat(isNumberOf(key, text), "it has a number that does not fit");
  return +text;
}

/** Sets the state that a fragment names; one that names none changes nothing, and a line says why. */
function setFromFragment(fragment, live, model, say) {
  try {
    live.set(fromFragment(fragment, model));
    say("");
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    say(`The address after “#” is not used: ${error.message}.`);
  }
}

/** Keeps the address as the state is, and the state as the address, where a person changes that. */
function keepAddress(live, answers, model, say) {
  const current = () => toFragment(live.state, answers.state.verdicts);
  let last = current();
  let timer = null;
  let seen = location.hash; // another one was set by somebody just now, and its hashchange is still to come
  const write = () => {
    const fragment = current();
    if (fragment === last || location.hash !== seen) return;
    last = fragment;
    say(fragment === null ? "This is too long to be kept in the address." : "");
    if (fragment !== null) history.replaceState(null, "", `#${fragment}`);
    seen = location.hash;
  };
  const writeSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(write, 400);
  };
  const apply = () => {
    seen = location.hash;
    const written = seen.slice(1);
    if (!written.includes("=")) return writeSoon(); // none, or a section's name
    setFromFragment(written, live, model, say);
    clearTimeout(timer); // the address stays as somebody wrote it, and a line about it, until the next change
    last = current();
  };
  live.watch(writeSoon);
  apply();
  addEventListener("hashchange", apply);
}
