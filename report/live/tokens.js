/* The words of a text, tinted by the row of the chosen head. Here one chooses the row, and words to edit it with. */

const MOST_ALIGNED = 250_000; // pairs of tokens that are compared one by one

/** For each token of `one` whether it is missing in `other`: not in the longest common subsequence. */
function differing(one, other) {
  const differs = one.map(() => true);
  let start = 0;
  while (start < one.length && one[start] === other[start]) differs[start++] = false;
  let [n, m] = [one.length, other.length];
  while (n > start && m > start && one[n - 1] === other[m - 1]) {
    differs[--n] = false;
    m--;
  }
  if ((n - start) * (m - start) > MOST_ALIGNED) return differs;
  const width = m - start + 1;
  const lengths = new Uint16Array((n - start + 1) * width); // of common subsequences of what follows
  const at = (i, j) => (i - start) * width + j - start;
  for (let i = n - 1; i >= start; i--)
    for (let j = m - 1; j >= start; j--)
      lengths[at(i, j)] =
        one[i] === other[j] ? lengths[at(i + 1, j + 1)] + 1 : Math.max(lengths[at(i + 1, j)], lengths[at(i, j + 1)]);
  for (let [i, j] = [start, start]; i < n && j < m;) {
    if (one[i] === other[j]) {
      differs[i++] = false;
      j++;
    } else if (lengths[at(i + 1, j)] >= lengths[at(i, j + 1)]) i++;
    else j++;
  }
  return differs;
}

/** The texts of the tokens that stand in a slot; the end token at the beginning is a start. */
const tokenTexts = ({ tokens, started }) => tokens.map(({ text }, i) => (i === 0 && started ? START : text));

/**
 * The row that is asked for in a slot, pointed at before chosen; null: the last. One of the other text holds here, too,
 * where the texts are as long as each other or the same up to there.
 */
function askedRow(state, answers, slot) {
  const at = state.hovered ?? state.row;
  if (!at || at.slot === slot) return at?.i ?? null;
  if (!SLOTS.every((name) => answers[name]?.question.text === textOf(state, name))) return null; // not known yet
  const [own, others] = [slot, at.slot].map((name) => answers[name].tokens);
  const same = own.length === others.length || others.slice(0, at.i + 1).every(({ id }, i) => id === own[i]?.id);
  return same ? at.i : null;
}

class LiveWords {
  constructor(slot, live, answers) {
    Object.assign(this, { slot, live, answers, texts: [], words: [], revealed: null });
    const name = slot === "one" ? "your text" : "the second text";
    const explained = "left and right arrow keys move the word attended from";
    this.node = h("p", {
      class: "livewords",
      tabindex: 0,
      role: "group",
      "aria-label": `words of ${name}; ${explained}`,
    });
    this.status = h("p", { class: "livestatus" }, slot === "one" ? "Loading the model …" : "");
    onKey(this.node, (event) => this.words.length > 0 && this.onkey(event));
    // Not "pointerover", which comes, too, when words move under a pointer that rests while somebody types.
    this.node.addEventListener("pointermove", (event) => this.onpoint(event.target, event.pointerType));
    this.node.addEventListener("pointerleave", () => this.live.set({ hovered: null }));
    this.node.addEventListener("click", (event) => this.onclick(event.target));
  }

  indexOf(target) {
    return target.dataset.i === undefined ? null : +target.dataset.i;
  }

  /** The edit whose words are chosen here now. */
  get picking() {
    const { picking } = this.live.state;
    return picking?.slot === this.slot ? picking : null;
  }

  onpoint(target, pointer) {
    const i = this.indexOf(target);
    if (i === null || pointer === "touch") return;
    const { picking, live, slot } = this;
    const { hovered } = live.state;
    if (picking && picking.at !== i) live.set({ picking: { ...picking, at: i } });
    else if (!picking && (hovered?.i !== i || hovered.slot !== slot)) live.set({ hovered: { slot, i } });
  }

  onclick(target) {
    const i = this.indexOf(target);
    if (i === null) return;
    if (this.picking) pickWord(this.live, this.answers, i);
    else this.live.set({ row: { slot: this.slot, i }, hovered: null });
  }

  onkey(event) {
    const { picking } = this;
    if (picking && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      pickWord(this.live, this.answers, picking.at);
      return;
    }
    const { length } = this.words;
    const now = picking?.at ?? askedRow(this.live.state, this.answers.state, this.slot) ?? length - 1;
    const i = wordByKey(event, now, length);
    if (i === undefined) return;
    this.live.set(picking ? { picking: { ...picking, at: i } } : { row: { slot: this.slot, i }, hovered: null });
  }

  draw() {
    const { [this.slot]: answer, ...others } = this.answers.state;
    if (!answer) {
      if (answer === null || !textOf(this.live.state, this.slot)) this.empty(); // else the model is not there yet
      return;
    }
    const { row, before, after, question } = answer;
    this.show(tokenTexts(answer));
    const other = this.live.state.other === null ? null : others[this.slot === "one" ? "other" : "one"];
    const differs = other ? differing(this.texts, tokenTexts(other)) : [];
    const picked = this.picked();
    const weights = (after ?? before).weights;
    this.words.forEach((word, i) => {
      word.style.setProperty("--weight", weights?.[i]?.toFixed(3) ?? 0);
      word.classList.toggle("from", i === row);
      word.classList.toggle("unread", i > row);
      word.classList.toggle("differs", Boolean(differs[i]));
      word.classList.toggle("picked", inSpans(picked, i));
    });
    const isAsked = !this.live.state.hovered && question.row === askedRow(this.live.state, this.answers.state, this.slot);
    const boxed = this.picking?.at ?? row;
    if ((this.picking || isAsked) && boxed !== this.revealed) this.reveal(Math.min(boxed, this.words.length - 1));
    // Heard while keys move the word attended from; while somebody types, the next word is enough.
    this.status.setAttribute("aria-live", document.activeElement === this.node ? "polite" : "off");
    this.status.textContent = this.describe(answer);
  }

  /** Scrolls the paragraph, and nothing else, to the word that is attended from, or about to be picked. */
  reveal(row) {
    this.revealed = row;
    const [box, word] = [this.node, this.words[row]].map((node) => node.getBoundingClientRect());
    this.node.scrollTop += Math.min(0, word.top - box.top) + Math.max(0, word.bottom - box.bottom);
  }

  empty() {
    this.show([]);
    this.status.textContent = "";
  }

  /** Puts other words into the paragraph where they have changed; those before the first change stay. */
  show(texts) {
    let same = 0;
    while (same < texts.length && texts[same] === this.texts[same]) same++;
    if (same === texts.length && same === this.texts.length) return;
    const start = (text, i) => i === 0 && text === START;
    this.words = texts.map((text, i) =>
      i < same
        ? this.words[i]
        : h("bdi", { class: start(text, i) ? "word start" : "word", "data-i": i }, text.replace(/^ /, "")),
    );
    [this.texts, this.revealed] = [texts, null];
    this.node.dir = directionOf(texts);
    this.node.replaceChildren(...runningText(this.words, texts));
  }

  picked() {
    const { picking } = this;
    return picking ? [wordAround(this.texts, picking.at), picking.first].filter(Boolean) : [];
  }

  describe({ row, before, after, dropped, question: { head, edits } }) {
    if (this.picking) return describePicking(this.picking, this.texts);
    const from = `from “${this.texts[row].trim()}”`;
    const view = after ?? before;
    const cut = dropped
      ? ` The first ${counted(dropped, "token")} ${dropped === 1 ? "is" : "are"} out of the model's sight.`
      : "";
    if (!view.weights) return cut.trim();
    const looks = heaviest(view.weights).map((i) => {
      const [was, is] = [before, view].map(({ weights }) => weights[i].toFixed(2));
      return `${this.texts[i].trim()} ${is}${was === is ? "" : ` (${was} before)`}`;
    });
    return `Head ${head}${edits.off[head] ? " (off)" : ""} ${from}: ${looks.join(", ")}.${cut}`;
  }
}
