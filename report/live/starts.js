/* What to begin with: a select of texts by group, and the second text beside the first. */

/** The state that a start brings; edits of the first text stay, since they hold only where their words are the same. */
const withStart = ({ text, head, words: pair }, state) => ({
  ...withText("one", text),
  other: null,
  head: head ?? state.head,
  words: pair ?? null,
});

class Starts {
  /** `starts`: those of live.json; `type()` goes to the box. */
  constructor(starts, live, type) {
    Object.assign(this, { starts, live, brought: null }); // the words that came with a start
    const [both, select] = chooser("Begin with", [["", "a text of your own"]], (i) => {
      live.set(i ? { ...withStart(starts[i], live.state), edits: withoutOther(live.state) } : withText("one", ""));
      if (!i) type();
    });
    this.select = select;
    const groups = [...new Set(starts.map(({ group }) => group))];
    select.append(
      ...groups.map((group) =>
        h(
          "optgroup",
          { label: group },
          starts.map((start, i) => (start.group === group ? h("option", { value: i }, start.name) : null)),
        ),
      ),
    );
    const button = (text, onclick) => h("button", { type: "button", onclick }, text);
    this.compare = button("Compare", () =>
      live.set({
        ...withText("other", live.state.other === null ? live.state.text : null),
        edits: withoutOther(live.state),
      }),
    );
    this.counterfactual = button("Its counterfactual", () =>
      live.set({ ...withText("other", this.chosen().other), edits: withoutOther(live.state) }),
    );
    this.counterfactual.title = "compare with the same text with one word changed";
    this.node = h("div", { class: "livestarts" }, starts.length > 0 && both, this.counterfactual, this.compare);
    live.watch((state, changed) => changed("text", "words") && this.dropWords(state));
  }

  /** Words that a start has brought go with its text, unless the next text has both of them. */
  dropWords({ text, words: pair }) {
    if (pair === null) return;
    if (this.chosen()?.words?.join() === pair.join()) this.brought = pair;
    else if (pair === this.brought && !pair.every((word) => text.includes(word))) this.live.set({ words: null });
  }

  /** The start whose text is there now. */
  chosen() {
    return this.starts.find(({ text }) => boxText(text) === this.live.state.text);
  }

  draw() {
    const { other } = this.live.state;
    const start = this.chosen();
    this.select.value = start ? this.starts.indexOf(start) : "";
    const focused = document.activeElement === this.counterfactual;
    this.counterfactual.hidden = !start?.other || other === boxText(start.other);
    if (focused && this.counterfactual.hidden) this.compare.focus();
    this.compare.textContent = other === null ? "Compare" : "Close the second text";
  }
}

const withoutOther = ({ edits }) => (edits.some(({ slot }) => slot !== "one") ? edits.filter(({ slot }) => slot === "one") : edits);
