/* A tour: steps with a title and a few words, each of which sets the state. */

class Tour {
  /** `steps`: [{title, says, state}]; `go(fragment)` sets the state. */
  constructor(steps, go) {
    Object.assign(this, { steps, go, at: null });
    const button = (text, move) => h("button", { type: "button", onclick: () => this.show(move()) }, text);
    this.count = h("span", { class: "livestatus" });
    this.title = h("h3", { tabindex: -1 });
    this.says = h("p", { "aria-live": "polite" });
    this.back = button("Back", () => this.at - 1);
    this.next = button("Next", () => (this.at + 1 < steps.length ? this.at + 1 : null));
    this.end = button("End the tour", () => null);
    this.node = h(
      "div",
      { class: "livetour", role: "group", "aria-label": "tour", hidden: true },
      h(
        "div",
        { class: "tourtitle" },
        this.count,
        this.title,
        h("div", { class: "tourmenu" }, this.back, this.next, this.end),
      ),
      this.says,
    );
    this.begin = h(
      "button",
      { type: "button", hidden: !steps.length, onclick: () => this.show(0) },
      "Take the tour",
    );
  }

  /** Step `at`; null: the end. */
  show(at) {
    const began = this.at === null;
    this.at = at;
    this.node.hidden = at === null;
    this.begin.hidden = at !== null;
    if (at === null) {
      this.begin.focus();
      return;
    }
    const { title, says, state } = this.steps[at];
    this.count.textContent = `${at + 1} of ${this.steps.length}`;
    this.title.textContent = title;
    this.says.textContent = says;
    this.back.disabled = at === 0;
    const last = at + 1 === this.steps.length;
    this.next.textContent = last ? "Done" : "Next";
    this.end.hidden = last;
    this.go(state);
    if (began || this.back.disabled) this.title.focus({ preventScroll: true });
    this.node.scrollIntoView({ block: began ? "start" : "nearest" });
  }
}
