/* The sentences of articles beside their counterfactuals: what comes next, where the head looks, what a swap changes. */

/** A sentence in words; the two candidates where they first stand, tinted, and the word that differs, bold. */
function knownText({ text, key, gold, distractor, look }) {
  const pieces = text.split(/([\p{L}']+)/u);
  const marks = new Map([
    [pieces.indexOf(gold), ["gold", look?.gold]],
    [pieces.indexOf(distractor), ["other", look?.distractor]],
    [pieces.lastIndexOf(key), ["differs", 0]],
  ]);
  return pieces.map((piece, i) => {
    const [mark, weight] = marks.get(i) ?? [];
    return mark ? h("span", { class: `word ${mark}`, "--weight": weight?.toFixed(3) ?? 0 }, piece) : piece;
  });
}

function describeKnown({ task, answer, foil, gold, distractor, p_answer, log_odds, look, next: [likeliest] }, tasks) {
  const right = likeliest.word === answer ? "" : `The answer would be “${answer}” (${chance(p_answer)}). `;
  if (!look) {
    const accuracy = percent(lookup(tasks, task).model_accuracy, 1);
    return `${right}The model is right in ${accuracy} of ${words(task)} and does not resolve it, so no head is shown.`;
  }
  const { head, from, swap } = look;
  const looks = `From “${from}”, head ${head} gives ${percent(look.gold)} of its attention to “${gold}” and ${percent(look.distractor)} to “${distractor}”.`;
  const swapped = swap
    ? ` With the two swapped, the model says “${swap.word}” (${percent(swap.probability, 1)}), and log P(${answer}) − log P(${foil}) goes from ${nats(log_odds, 1)} to ${nats(swap.log_odds, 1)} nats.`
    : " Nothing leads from there to the answer.";
  return right + looks + swapped;
}

function knownSentence(sentence, tasks) {
  const [{ word, probability }] = sentence.next;
  return [
    h("p", { class: "known" }, knownText(sentence), " → ", h("b", {}, h("bdi", {}, word)), ` ${percent(probability, 1)}`),
    h("p", { class: "what" }, describeKnown(sentence, tasks)),
  ];
}

const CAUSAL =
  "At “it” a causal model cannot know which is meant, since the word that decides comes later: there every head is right in 50 %, by construction. ";

function sentencesSection({ sentences, tasks }) {
  const hasIt = sentences.some(({ text }) => text.includes(" it "));
  const pairs = sentences.flatMap((one, i) => (i % 2 ? [] : [[one, sentences[i + 1]]]));
  return section(
    "sentences",
    "The sentences of articles",
    `The two sentences of a pair differ in the bold word; after the arrow stands the likeliest next word. Underlined: what is meant; dotted: the other candidate; tinted: how much the head attends to them. ${hasIt ? CAUSAL : ""}The head is shown where it is best in held-out stories, mostly at the word that predicts the answer.`,
    h(
      "ul",
      { class: "pairs" },
      pairs.map((pair) => h("li", {}, pair.map((sentence) => knownSentence(sentence, tasks)))),
    ),
  );
}
