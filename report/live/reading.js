/* Answers of the model, kept as new as what the person has chosen. */

const READ_FOR = { one: ["text"], other: ["other"] };
const FOR_BOTH = ["head", "row", "hovered", "off", "edits", "words"];
const NO_ANSWERS = {
  one: undefined, // undefined: nothing was asked yet; null: there is no answer
  other: undefined,
  verdicts: new Map(), // verdictsOf the newest answer that was about each edit
};

/** The likeliest two next words of the first sentence as it is without edits; null while they are not known. */
function likeliestWords({ one }) {
  const next = one?.before.next ?? [];
  return next.length > 1 ? [next[0].text, next[1].text] : null;
}

/** What is asked of the model for a slot, as its worker wants it; null where there is no text. */
function questionOf(state, answers, slot) {
  const text = textOf(state, slot);
  if (!text) return null;
  const row = askedRow(state, answers, slot);
  const pair = state.words ?? likeliestWords(answers);
  return { slot, text, row, edits: editsOf(state, slot), head: state.head, words: pair, exact: !state.words };
}

/** Those of the edits asked about that apply: of them, in this order, an answer has `anchors` and `unseen`. */
const appliedEdits = (edits, { stale }) => edits.filter((_, i) => !stale.includes(i));

/** Edits out of an address, which have no anchor, hold from now on for the tokens that they have been read with. */
function keepAnchors(edits, answer) {
  appliedEdits(edits, answer).forEach((edit, i) => (edit.anchor ??= answer.anchors[i]));
}

/** By edit, {stale: whether the text up to its row is another one now, unseen: as the worker says}. */
function verdictsOf(edits, answer) {
  const applied = appliedEdits(edits, answer);
  const verdict = (at) => ({ stale: at < 0, unseen: answer.unseen[at] ?? false });
  return new Map(edits.map((edit) => [edit, verdict(applied.indexOf(edit))]));
}

/**
 * Asks for a slot anew whenever something it depends on has changed; `answers` is a View of {one, other, verdicts}, as
 * NO_ANSWERS. `say[slot](line)` shows why there is no answer.
 */
function keepReading(model, live, answers, say) {
  const accept = (slot, question, edits, found) => {
    keepAnchors(edits, found);
    const known = [...answers.state.verdicts, ...verdictsOf(edits, found)];
    const verdicts = new Map(known.filter(([edit]) => live.state.edits.includes(edit)));
    answers.set({ [slot]: { ...found, question, edits }, verdicts });
    say[slot]("");
  };
  const refuse = (slot, why) => {
    answers.set({ [slot]: null });
    say[slot](why);
  };
  const ask = async (slot) => {
    const question = questionOf(live.state, answers.state, slot);
    if (!question) {
      refuse(slot, "");
      return;
    }
    const edits = rowEditsOf(live.state, slot);
    try {
      const found = await model.read(question);
      if (found && textOf(live.state, slot)) accept(slot, question, edits, found); // else closed or emptied meanwhile
    } catch (error) {
      if (textOf(live.state, slot) !== question.text) return; // which is asked for anew
      const chosen = ["row", "hovered", "picking"].filter((key) => live.state[key]?.slot === slot);
      if (!chosen.length) refuse(slot, error.message);
      else live.set(Object.fromEntries(chosen.map((key) => [key, null]))); // perhaps a row that is not there; asks anew
    }
  };
  live.watch((state, changed) => {
    for (const slot of SLOTS) if (changed(...READ_FOR[slot], ...FOR_BOTH)) ask(slot);
  });
  answers.watch((state) => {
    const pair = live.state.words ?? likeliestWords(state);
    for (const slot of SLOTS) {
      const asked = state[slot]?.question;
      if (!asked) continue;
      const others = pair?.some((word, i) => word !== asked.words?.[i]); // likeliest, not known before
      if (others || asked.row !== askedRow(live.state, state, slot)) ask(slot); // the other text's, perhaps
    }
  });
}
