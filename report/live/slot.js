/* One sentence: the box to type it in, its words, the next ones, and the buttons that belong to it. */

const GENERATED = 60; // tokens at a time

class Slot {
  /** `opening`: the promise of a LiveModel; `say(line)` shows how generating ended; `typed`: what to type, as an empty box says. */
  constructor(name, live, answers, opening, say, typed) {
    Object.assign(this, { name, live, opening, say, run: null });
    const label = name === "one" ? "Your text" : "Second text";
    this.box = h("textarea", {
      "aria-label": label,
      rows: 2,
      spellcheck: "false",
      dir: "auto",
      placeholder: typed,
      oninput: () => this.live.set(withText(name, this.box.value)),
    });
    this.words = new LiveWords(name, live, answers);
    this.menu = new EditMenu(name, this.words.node, live, answers);
    this.next = new NextWords(name, live, answers, (text) => this.write(text));
    this.go = h("button", { type: "button", onclick: () => (this.run ? this.stop() : this.generate()) }, "Generate");
    this.left = h("div", { class: "said" }, this.box, this.words.node, this.words.status, this.menu.node);
    this.node = h("div", { class: "slot", role: "group", "aria-label": label }, this.left, this.next.node);
    this.next.title.after(this.go);
    onKey(this.left, ({ key }) => key === "Escape" && live.state.picking?.slot === name && live.set({ picking: null }));
    live.watch((_, changed) => changed(...READ_FOR[name]) && say("")); // which was about another text
    live.watch((state, changed) => {
      if (changed("off", "temperature", "seed") || (changed("edits") && this.run?.edits !== this.edits(state))) this.stop();
    });
  }

  /** Puts a word after the text. */
  write(text) {
    this.live.set(withText(this.name, textOf(this.live.state, this.name) + text));
  }

  /** This text's own edits, to be compared. */
  edits(state) {
    return JSON.stringify(rowEditsOf(state, this.name));
  }

  async generate() {
    const { state } = this.live;
    const text = textOf(state, this.name);
    const run = { text, edits: this.edits(state) };
    this.run = run;
    this.say("");
    this.go.textContent = "Stop";
    const { temperature, seed } = state;
    const question = {
      ask: "generate",
      slot: this.name,
      text,
      edits: editsOf(state, this.name),
      n: GENERATED,
      temperature,
      seed,
    };
    const show = (whole) => {
      if (this.run !== run) return;
      run.text = boxText(whole);
      this.live.set(withText(this.name, whole));
    };
    try {
      const model = await this.opening;
      const { ended } = await model.ask(question, { ontoken: ({ whole }) => show(whole) });
      if (ended && this.run === run) this.say("The model ended the text here.");
    } catch (error) {
      if (this.run === run) this.say(error.message);
    }
    if (this.run === run) this.idle();
  }

  /** Ends what is being generated; what is there by then stays. */
  stop() {
    if (!this.run) return;
    this.opening.then(
      (model) => model.stop(),
      () => null,
    );
    this.idle();
  }

  idle() {
    this.run = null;
    this.go.textContent = "Generate";
  }

  draw() {
    const text = textOf(this.live.state, this.name) ?? "";
    this.node.hidden = textOf(this.live.state, this.name) === null;
    if (this.box.value !== text) {
      const goesOn = this.box.value && text.startsWith(this.box.value); // what is added is to be seen
      this.box.value = text;
      if (goesOn) this.box.scrollTop = this.box.scrollHeight;
    }
    if (this.run && this.run.text !== text) this.stop(); // somebody has gone on from another text
    this.words.draw();
    this.menu.draw();
    this.next.draw();
  }
}
