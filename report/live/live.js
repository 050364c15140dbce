/* The section in which the model runs: a person types, and the next words, the rows and the heads follow. */

const TRY_IT = "Try it";
const WHAT_LIVE =
  "The trained model runs in this page. Type, and the likeliest next words follow; a click on one writes it.";
const WHAT_HEADS =
  " The tint shows what the chosen head attends to from the boxed word: its row of attention weights, which sum to 1. Point at another word, or move with the arrow keys. Switch heads off or edit a row, and see what changes.";
const WHAT_BARS =
  "A head's bar: how much its output alone moves the log-odds of these two words, in nats, through the last norm";
const BEFORE_SOFTCAP = ", before the softcap of logits";
const NOT_IN_BARS = ". Effects through later layers are not in it. ";
const WHAT_MOVED = "↔: how much its row has moved (0: not; 1: all of it).";
const WHAT_FILLED = "Filled from below: how much its row has moved.";
const NOT_HERE = "The model does not run here: ";

/**
 * The section, which does not wait for the weights. Its head is that of the page's `view`, if there is one. Where the
 * model cannot run, the section is one line that says why.
 */
async function liveSection(view) {
  let about, json;
  try {
    about = await unpackJson("live.json");
    if (about.note) return section("live", TRY_IT, about.note);
    json = await unpackJson("model.json");
  } catch {
    return section("live", TRY_IT, "DecompressionStream" in globalThis ? DAMAGED : NO_STREAMS);
  }
  const fail = ({ message }) => {
    node.querySelector(".what").textContent = message === DAMAGED ? message : NOT_HERE + message;
    live.node.remove();
  };
  const opening = openModel(json, fail);
  const live = new LivePage(view, about, json, opening);
  const node = section("live", TRY_IT, `${WHAT_LIVE}${live.known.heads.size ? WHAT_HEADS : ""}`, live.node);
  opening.then((model) => live.run(model), fail);
  return node;
}

/** Temperature and seed of what is generated. */
class Sampling {
  constructor(live) {
    this.live = live;
    const field = (key, attributes) =>
      h("input", {
        type: "number",
        "aria-label": `${key} of generated text`,
        "data-key": key,
        oninput: ({ target }) => this.choose(target),
        ...attributes,
      });
    this.fields = [
      field("temperature", { min: 0, max: 5, step: 0.05 }),
      field("seed", { min: 0, max: MOST_SEED, step: 1 }),
    ];
    this.node = h(
      "p",
      { class: "sampling" },
      h("span", {}, "temperature ", this.fields[0]),
      h("span", {}, "seed ", this.fields[1]),
    );
  }

  /** Takes a number that an address can hold, and marks any other. */
  choose(field) {
    const { key } = field.dataset;
    const fits = field.value !== "" && isNumberOf(key, `${+field.value}`);
    field.setAttribute("aria-invalid", !fits);
    if (fits) this.live.set({ [key]: +field.value });
  }

  draw() {
    for (const field of this.fields) {
      if (document.activeElement === field) continue;
      field.value = this.live.state[field.dataset.key];
      field.setAttribute("aria-invalid", false);
    }
  }
}

/** All pieces, drawn from two views: what the person has chosen, and what the model has answered. */
class LivePage {
  /** `opening`: the promise of a LiveModel. */
  constructor(view, about, json, opening) {
    const heads = headNames(json.config.attention_types, json.config.n_head).flat();
    this.known = {
      heads: new Set(heads),
      first: heads[0] ?? null,
      hasMeans: json.tensors.some(({ name }) => name.startsWith("means.")),
    };
    const [start] = about.starts;
    const head = [view?.state.head, start?.head, heads[0]].find((name) => this.known.heads.has(name)) ?? null;
    this.live = new View({ ...FRESH, ...(start && withStart(start, {})), head });
    this.answers = new View(NO_ANSWERS);
    this.lines = {};
    this.note = h("p", { class: "livenote", role: "status" });
    this.build(about, json, opening);
    keepAddress(this.live, this.answers, this.known, this.sayer("address"));
    this.live.watch(() => this.draw());
    this.answers.watch(() => this.draw());
    if (view) this.shareHead(view);
  }

  /** What says, and takes back, one line about `topic`. */
  sayer(topic) {
    return (line) => {
      this.lines[topic] = line;
      this.note.textContent = [...new Set(Object.values(this.lines))].filter(Boolean).join(" ");
      this.note.hidden = this.note.textContent === "";
    };
  }

  build(about, json, opening) {
    const { live, answers, known } = this;
    const typed = json.tokenizer.kind === "ids" ? "Type names of tokens, a space between two" : "Type or paste a text";
    const slots = SLOTS.map((name) => new Slot(name, live, answers, opening, this.sayer(`generate ${name}`), typed));
    const [starts, odds, sampling] = [
      new Starts(about.starts, live, () => slots[0].box.focus()),
      new OddsWords(live, answers),
      new Sampling(live),
    ];
    const tour = new Tour(about.tour, (fragment) => setFromFragment(fragment, live, known, this.sayer("address")));
    this.pieces = [...slots, starts, odds, sampling];
    slots[0].next.odds.replaceWith(odds.node);
    this.slots = h(
      "div",
      { class: "slots" },
      slots.map(({ node }) => node),
    );
    this.node = h(
      "div",
      { class: "live" },
      h("div", { class: "livebar" }, starts.node, sampling.node, tour.begin),
      tour.node,
      this.note,
      this.slots,
      known.heads.size > 0 && this.buildHeads(json.config, about.roles),
    );
  }

  /** What is changed, all heads, and the chosen one; a model of recurrent layers alone has none of them. */
  buildHeads(config, roles) {
    const { live, answers, known } = this;
    const chips = new Chips(live, answers);
    const heads = new LiveHeads(live, answers, config, roles);
    const chosen = new ChosenHead(live, answers, roles, known.hasMeans);
    this.pieces.push(chips, heads, chosen);
    const bars = `${WHAT_BARS}${config.softcap ? BEFORE_SOFTCAP : ""}${NOT_IN_BARS}`;
    const what = h("p", { class: "livestatus" }, bars, heads.dense ? WHAT_FILLED : WHAT_MOVED);
    return [chips.node, h("div", { class: "liverow" }, h("div", {}, heads.node, what), chosen.node)];
  }

  /** The head of the page is the head here, and the other way round. */
  shareHead(view) {
    this.live.watch(({ head }) => head !== null && view.set({ head }));
    view.watch(({ head }, changed) => changed("head") && this.known.heads.has(head) && this.live.set({ head }));
  }

  run(model) {
    const say = Object.fromEntries(SLOTS.map((slot) => [slot, this.sayer(`read ${slot}`)]));
    keepReading(model, this.live, this.answers, say);
    this.draw();
  }

  draw() {
    this.slots.classList.toggle("two", this.live.state.other !== null);
    this.slots.classList.toggle("picking", this.live.state.picking !== null);
    this.node.classList.toggle("pending", this.answers.state.one === undefined);
    for (const piece of this.pieces) piece.draw();
  }
}
