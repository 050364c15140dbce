/* Answers of the model, kept as new as what the person has chosen. */

const READ_FOR = { one: ["text"], other: ["other"] };
const FOR_BOTH = ["head", "row", "hovered", "off", "edits", "words"];

/** The likeliest two next words of the first sentence as it is without edits; null while they are not known. */
function likeliestWords({ one }) {
  const next = one?.before.next ?? [];
  return next.length > 1 ? [next[0].text, next[1].text] : null;
}

/**
 * Asks for a slot anew whenever something it depends on has changed; `answers` is a View of {one, other}, null where
 * there is none. `say[slot](line)` shows why.
 */
function keepReading(model, live, answers, say) {
  const ask = async (slot) => {
    const { state } = live;
    const text = textOf(state, slot);
    if (!text) {
      answers.set({ [slot]: null });
      say[slot]("");
      return;
    }
    const own = state.edits.filter((edit) => edit.slot === slot);
    const pair = state.words ?? likeliestWords(answers.state);
    const row = askedRow(state, answers.state, slot);
    const question = { slot, text, row, edits: editsOf(state, slot), head: state.head, words: pair, exact: !state.words };
    try {
      const answer = await model.read(question);
      if (!answer || !textOf(live.state, slot)) return; // closed or emptied meanwhile
      own.forEach((edit, i) => (edit.stale = answer.stale.includes(i)));
      own.filter(({ stale }) => !stale).forEach((edit, i) => {
        edit.anchor ??= answer.anchors[i]; // of an address: what it holds for from now on
        edit.unseen = answer.unseen[i];
      });
      const { head, off } = state;
      answers.set({ [slot]: { ...answer, question: { text, row, head, off, edits: own, words: pair } } });
      say[slot]("");
    } catch (error) {
      if (textOf(live.state, slot) !== text) return; // which is asked for anew
      const gone = ["row", "hovered", "picking"].filter((key) => live.state[key]?.slot === slot);
      if (gone.length) {
        live.set(Object.fromEntries(gone.map((key) => [key, null]))); // perhaps a row that is not there; asks anew
        return;
      }
      answers.set({ [slot]: null });
      say[slot](error.message);
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
