/* Answers of the model, kept as new as what the person has chosen. */

const READ_FOR = { one: ["text"], other: ["other"] };
const FOR_BOTH = ["head", "row", "hovered", "off", "edits", "words"];

/** The likeliest two next words of the first sentence as it is without edits; null while they are not known. */
function likeliestWords({ one }) {
  const next = one?.before.next ?? [];
  return next.length > 1 ? [next[0].text, next[1].text] : null;
}

/** Asks for a slot anew whenever something it depends on has changed; `answers` is a View of {one, other}. */
function keepReading(model, live, answers, say) {
  const ask = async (slot) => {
    const { state } = live;
    const isOld = () => !textOf(live.state, slot); // closed or emptied meanwhile
    if (isOld()) {
      answers.set({ [slot]: null });
      return;
    }
    const own = state.edits.filter((edit) => edit.slot === slot);
    const pair = state.words ?? likeliestWords(answers.state);
    const row = askedRow(state, answers.state, slot);
    const text = textOf(state, slot);
    try {
      const answer = await model.read({ slot, text, edits: editsOf(state, slot), row, head: state.head, words: pair });
      if (!answer || isOld()) return;
      own.forEach((edit, i) => (edit.stale = answer.stale.includes(i)));
      const applied = own.filter((edit) => !edit.stale);
      applied.forEach((edit, i) => (edit.anchor ??= answer.anchors[i])); // of an address: what it holds for from now on
      answers.set({ [slot]: { ...answer, question: { row, edits: own, words: pair } } });
      say("");
    } catch (error) {
      say(error.message);
      live.set({ row: null, hovered: null }); // an address may name one that is not there
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
      if (others || asked.row !== askedRow(live.state, state, slot)) ask(slot); // texts as long as each other share rows
    }
  });
}
