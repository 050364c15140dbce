/* Edits: made of one row word by word, shown as chips, taken back by a click. */

const EDIT_NAMES = { swap: "Swap two weights", cut: "Remove one", only: "All on one word" };
const EDIT_MEANINGS = {
  swap: "exchange the weights of two words (weight swap)",
  cut: "set the weight of a word to 0 and scale up the rest (edge ablation)",
  only: "put all weight on one word",
};
const WHICH = {
  swap: ["the first word", "the second word"],
  cut: ["the word to remove"],
  only: ["the word that gets all"],
};

/** Takes word `i` for the edit that is being made, which is finished with its last word. */
function pickWord(live, answers, i) {
  const { picking, head, edits } = live.state;
  const { [picking.slot]: answer } = answers.state;
  const { tokens, row } = answer;
  const span = wordAround(tokenTexts(answer), Math.min(i, tokens.length - 1));
  span[1] = Math.min(span[1], row + 1);
  if (i > row || (picking.first && span[0] < picking.first[1] && picking.first[0] < span[1])) return;
  if (picking.kind === "swap" && !picking.first) live.set({ picking: { ...picking, first: span } });
  else {
    const { slot, kind, first } = picking;
    const anchor = tokens.slice(0, row + 1).map(({ id }) => id);
    const edit = { slot, head, row, kind, a: first ?? span, ...(first && { b: span }), anchor };
    live.set({ edits: [...edits, edit], picking: null });
  }
}

function describePicking({ kind, at, first }, texts) {
  const which = WHICH[kind][first ? 1 : 0];
  const word = spanText(texts, wordAround(texts, at));
  return `Choose ${which}: a click, or arrow keys and Enter; Escape ends this. Now “${word}”.`;
}

/** Buttons that begin an edit of the chosen head's row in a slot. */
class EditMenu {
  constructor(slot, paragraph, live, answers) {
    Object.assign(this, { slot, paragraph, live, answers });
    this.title = h("span", {});
    this.buttons = Object.keys(EDIT_NAMES).map((kind) =>
      h(
        "button",
        { type: "button", title: EDIT_MEANINGS[kind], "data-kind": kind, onclick: () => this.begin(kind) },
        EDIT_NAMES[kind],
      ),
    );
    this.node = h("div", { class: "editmenu", role: "group", "aria-label": "edit the row" }, this.title, this.buttons);
  }

  begin(kind) {
    const { picking } = this.live.state;
    const { row } = this.answers.state[this.slot];
    const again = picking?.slot === this.slot && picking.kind === kind;
    // The row stays where it is while words are chosen.
    this.live.set(
      again
        ? { picking: null }
        : { picking: { slot: this.slot, kind, at: row, first: null }, row: { slot: this.slot, i: row }, hovered: null },
    );
    if (!again) this.paragraph.focus();
  }

  draw() {
    const answer = this.answers.state[this.slot];
    const { head, picking } = this.live.state;
    this.node.hidden = head === null;
    const { weights } = answer?.before ?? {};
    this.title.textContent = weights ? `Row of ${answer.question.head} at “${tokenTexts(answer)[answer.row].trim()}”:` : "";
    for (const button of this.buttons) {
      button.disabled = !weights;
      button.setAttribute("aria-pressed", picking?.slot === this.slot && picking.kind === button.dataset.kind);
    }
  }
}

const KINDS_OF_EDIT = {
  swap: (a, b) => `“${a}” ⇄ “${b}”`,
  cut: (a) => `“${a}” removed`,
  only: (a) => `all on “${a}”`,
};

/** Why an edit changes nothing in an answer, by the verdict on it, as a note; "" where it may. */
function whyIdle({ row, kind }, { stale, unseen }, answer) {
  const there = row < (answer?.tokens.length ?? 0);
  if (stale) return ` (not now: ${there ? "a word up to there has changed" : "the text ends before it"})`;
  return unseen ? ` (this head does not see ${kind === "swap" ? "both" : "it"})` : "";
}

/** What is changed, a chip each; a click on one takes it back. */
class Chips {
  constructor(live, answers) {
    Object.assign(this, { live, answers });
    this.texts = new WeakMap(); // of edits, as they were when they last applied
    this.list = h("ul", {});
    this.all = h("button", { type: "button", onclick: () => live.set({ off: {}, edits: [] }) }, "Undo all");
    this.node = h(
      "div",
      { class: "livechips", tabindex: -1, role: "group", "aria-label": "what is changed" },
      this.list,
      this.all,
    );
  }

  draw() {
    const { off, edits } = this.live.state;
    const heads = Object.entries(off).map(([head, how]) =>
      this.chip(`${head} ${OFF_IN_WORDS[how]}`, () =>
        this.live.set(withHead(this.live.state, head, null)),
      ),
    );
    const rows = edits.map((edit) => {
      const { verdicts, [edit.slot]: answer } = this.answers.state;
      const verdict = verdicts.get(edit) ?? {}; // none yet
      const undo = () => this.live.set(withoutEdit(this.live.state, edit));
      return this.chip(this.describe(edit, verdict, answer), undo, whyIdle(edit, verdict, answer));
    });
    const chips = [...heads, ...rows];
    const texts = chips.map((chip) => chip.textContent).join("\n");
    const focused = this.node.contains(document.activeElement);
    this.all.hidden = chips.length < 2;
    if (texts === this.shown) return; // so that the focus stays
    this.shown = texts;
    this.list.replaceChildren(...(chips.length ? chips : [h("li", { class: "livestatus" }, "Nothing is changed.")]));
    if (focused) (this.list.querySelector("button") ?? this.node).focus();
  }

  describe(edit, { stale }, answer) {
    if (answer?.edits.includes(edit) && !stale) {
      const texts = tokenTexts(answer);
      const [a, b] = [edit.a, edit.b].map((span) => span && spanText(texts, span));
      const where = edit.slot === "other" ? ", second text" : "";
      this.texts.set(edit, `${edit.head} from “${texts[edit.row].trim()}”${where}: ${KINDS_OF_EDIT[edit.kind](a, b)}`);
    }
    return this.texts.get(edit) ?? `${edit.head}: ${edit.kind}`;
  }

  chip(text, onclick, note = "") {
    const button = h(
      "button",
      { type: "button", class: note && "stale", "aria-label": `undo: ${text}${note}`, onclick },
      text,
      h("span", { class: "note" }, note),
      h("span", { "aria-hidden": "true" }, " ×"),
    );
    return h("li", {}, button);
  }
}
