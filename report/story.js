/* A story in running text, its twin beneath, every word tinted by how much the chosen head looks at it. */

const KINDS = {
  typical: "A typical pair: the median of all by how much more the best head gives what is meant",
  hardest: "The pair on which the best head does worst",
  yours: "Your own text",
};
const HEAVIEST = 3; // words named in numbers

const exampleName = ({ family, kind }) => (family === null ? "your own text" : `${words(family)}, ${kind}`);

const inSpans = (spans, i) => spans.some(([start, end]) => i >= start && i < end);

const massOn = (weights, spans) => weights.reduce((sum, weight, i) => sum + (inSpans(spans, i) ? weight : 0), 0);

/** One text with its own words, status line and pattern. `at(state)` says which token looks; null: none that is here. */
class Telling {
  constructor(text, twin, found, view) {
    this.text = text;
    this.found = found;
    this.view = view;
    this.words = text.tokens.map((token, i) => this.word(token, i, twin));
    const body = this.words.flatMap((word, i) => [text.tokens[i].startsWith(" ") || i === 1 ? " " : "", word, /^\s*↵+$/.test(text.tokens[i]) ? h("br") : ""]);
    this.node = h("p", { class: "telling", tabindex: 0, role: "group", "aria-label": `${text.tokens.slice(1).join("")}. Arrow keys move the word that looks.` }, body);
    this.status = h("p", { class: "status", "aria-live": "polite" });
    this.model = h("p", { class: "status" });
    this.node.addEventListener("keydown", (event) => this.onkey(event));
    this.node.addEventListener("pointerover", (event) => this.hover(event.target));
    this.node.addEventListener("pointerleave", () => this.view.set({ hovered: null }));
    this.node.addEventListener("click", (event) => this.pin(event.target));
  }

  word(token, i, twin) {
    const differs = twin && twin.tokens.length === this.text.tokens.length && twin.tokens[i] !== token;
    const marks = ["word", i === 0 && "start", inSpans(this.text.gold, i) && "gold", inSpans(this.text.distractors, i) && "other", differs && "differs"];
    return h("bdi", { class: marks.filter(Boolean).join(" "), "data-i": i }, token.replace(/^ /, ""));
  }

  hover(target) {
    if (target.dataset.i !== undefined) this.view.set({ hovered: this.place(+target.dataset.i) });
  }

  pin(target) {
    if (target.dataset.i !== undefined) this.view.set({ pinned: +target.dataset.i, hovered: null });
  }

  onkey(event) {
    const last = this.words.length - 1;
    const now = this.query(this.view.state) ?? last;
    const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.view.set({ pinned: Math.max(0, Math.min(last, next)), hovered: null });
  }

  /** A token pointed at in this text, or in a twin that has as many. */
  place(i) {
    return { text: this.text, i, n: this.words.length };
  }

  /** The token that looks: the one pointed at, the one chosen, or the site. */
  query({ hovered, pinned, site }) {
    if (hovered?.n === this.words.length) return hovered.i;
    if (pinned !== null) return Math.min(pinned, this.words.length - 1);
    return this.text.sites.find(({ name }) => name === site)?.position ?? null;
  }

  async load() {
    this.patterns ??= new Patterns(await unpack(this.text.patterns), this.text.rows, this.found.page.levels);
  }

  draw(state) {
    const query = this.query(state);
    const k = this.found.names.indexOf(state.head);
    const weights = query === null || !this.patterns ? null : this.patterns.row(k, query);
    this.words.forEach((word, i) => {
      word.style.setProperty("--weight", weights?.[i]?.toFixed(3) ?? 0);
      word.classList.toggle("from", i === query);
      word.classList.toggle("unread", query !== null && i > query);
    });
    this.status.textContent = this.patterns ? this.describe(query, weights) : "";
    this.model.textContent = this.describeModel(query);
  }

  describe(query, weights) {
    const { tokens, gold, distractors } = this.text;
    if (query === null) return "this text has no such site";
    const from = `from “${tokens[query].trim()}”`;
    if (!weights) return `${from}: not in this page, which would become too large; the sites of the slider are`;
    const order = weights.map((weight, i) => [weight, i]).sort(([a], [b]) => b - a).slice(0, HEAVIEST);
    const looks = order.map(([weight, i]) => `${tokens[i].trim()} ${weight.toFixed(2)}`).join(", ");
    const sums = gold.length ? ` · what is meant ${massOn(weights, gold).toFixed(2)}, the other ${massOn(weights, distractors).toFixed(2)}` : "";
    return `${from}: ${looks}${sums}`;
  }

  describeModel(query) {
    const { answer, foil, p_answer: right, p_foil: wrong, sites } = this.text;
    const asked = sites.find(({ name }) => name === "A-1");
    if (answer === null || query !== asked?.position) return "";
    return `the model expects: ${answer.trim()} ${percent(right, 1)}, ${foil.trim()} ${percent(wrong, 1)}`;
  }
}

/** A range over the sites, each with its name beneath. */
function siteSlider(view) {
  const range = h("input", { type: "range", min: 0, step: 1, "aria-label": "site: the word that looks" });
  const ticks = h("div", { class: "ticks" });
  const meaning = h("output", { class: "meaning" });
  let sites = [];
  range.addEventListener("input", () => view.set({ site: sites[+range.value].name, pinned: null, hovered: null }));
  return {
    node: h("div", { class: "slider" }, range, ticks, meaning),
    show(own, { site, pinned }) {
      sites = own;
      const i = Math.max(0, sites.findIndex(({ name }) => name === site));
      range.max = sites.length - 1;
      range.value = i;
      range.setAttribute("aria-valuetext", `${sites[i].name}: ${sites[i].meaning}`);
      ticks.replaceChildren(...sites.map(({ name }, j) =>
        h("button", { type: "button", class: j === i && pinned === null ? "on" : "", tabindex: -1, onclick: () => view.set({ site: name, pinned: null, hovered: null }) }, name)));
      meaning.textContent = pinned === null ? `${sites[i].name}: ${sites[i].meaning}` : "a word of your choice";
    },
  };
}

/** Every head's pattern on the story, small; a click chooses the head. */
function headStrip(view, found) {
  const canvases = found.names.map((name) => h("canvas", { "aria-hidden": "true", "data-head": name }));
  const buttons = found.names.map((name, k) =>
    h("button", { type: "button", "aria-label": `head ${name}`, title: `head ${name}`, onclick: () => view.set({ head: name }) }, canvases[k], h("span", {}, name)));
  return {
    node: h("div", { class: "strip", role: "group", "aria-label": "patterns of all heads on this text", "--heads": found.heads.model.n_head }, buttons),
    choose: (head) => buttons.forEach((button, k) => button.setAttribute("aria-pressed", found.names[k] === head)),
    draw: ({ patterns, words: { length } }) => canvases.forEach((canvas, k) => drawPattern(canvas, patterns, k, length)),
  };
}

/** The chosen head's whole pattern; pointing at it shows who looks at whom. */
function bigPattern(view, found) {
  const canvas = h("canvas", { class: "big", role: "img" });
  const caption = h("figcaption", {});
  const row = h("div", { class: "row" });
  let telling = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const n = telling.words.length;
    return [event.clientY - box.top, event.clientX - box.left].map((at) => Math.max(0, Math.min(n - 1, Math.floor((at / box.width) * n))));
  };
  canvas.addEventListener("pointermove", (event) => {
    const [query, key] = place(event);
    view.set({ hovered: telling.place(query) });
    const weights = telling.patterns.row(found.names.indexOf(view.state.head), query);
    const { tokens } = telling.text;
    if (key <= query && weights) caption.textContent = `${tokens[query].trim()} → ${tokens[key].trim()}: ${weights[key].toFixed(2)}`;
  });
  canvas.addEventListener("pointerleave", () => view.set({ hovered: null }));
  canvas.addEventListener("click", (event) => view.set({ pinned: place(event)[0], hovered: null }));
  return {
    node: h("figure", { class: "pattern" }, h("div", { class: "frame" }, canvas, row), caption),
    show(one, state, redraw) {
      telling = one;
      const n = telling.words.length;
      if (redraw) drawPattern(canvas, telling.patterns, found.names.indexOf(state.head), n);
      canvas.setAttribute("aria-label", `attention pattern of head ${state.head}, ${n} by ${n} tokens`);
      const query = telling.query(state);
      row.style.setProperty("--at", query ?? -1);
      row.style.setProperty("--n", n);
      row.hidden = query === null;
      if (!state.hovered) caption.textContent = `head ${state.head}: rows look, columns are looked at`;
    },
  };
}

function storySection(view, found) {
  const { examples } = found.page;
  const tellingsOf = new Map(examples.map((example) => [example, example.texts.map((text, i) => new Telling(text, example.texts[1 - i], found, view))]));
  const [exampleLabel, exampleSelect] = chooser("text", examples.map((example, i) => [i, exampleName(example)]), (i) => {
    const example = examples[i];
    view.set({ example, family: example.family ?? view.state.family, pinned: null, hovered: null });
  });
  const [headLabel, headSelect] = chooser("head", found.names.map((name) => [name, name]), (head) => view.set({ head }));
  const [slider, strip, big] = [siteSlider(view), headStrip(view, found), bigPattern(view, found)];
  const kind = h("p", { class: "what kind" });
  const texts = h("div", { class: "texts" });
  const draw = async (state, changed) => {
    const example = state.example;
    const tellings = tellingsOf.get(example);
    if (changed("example")) {
      exampleSelect.value = examples.indexOf(example);
      kind.textContent = note(example, found);
      texts.replaceChildren(...tellings.flatMap(({ node, status, model }) => [node, status, model]));
    }
    if (changed("example", "site", "pinned")) slider.show(example.texts[0].sites, state);
    if (changed("head")) {
      headSelect.value = state.head;
      strip.choose(state.head);
    }
    await Promise.all(tellings.map((telling) => telling.load()));
    if (view.state.example !== example) return; // the reader has gone on meanwhile
    for (const telling of tellings) telling.draw(view.state);
    if (changed("example", "scheme")) strip.draw(tellings[0]);
    const shown = tellings.find(({ text }) => text === view.state.hovered?.text) ?? tellings[0];
    big.show(shown, view.state, changed("example", "head", "scheme") || shown !== draw.shown);
    draw.shown = shown;
  };
  view.watch(draw);
  return section("story", "Where it looks",
    "Boxed: the word that looks. Tinted: what it looks at. Underlined: what is meant; dotted: the other candidate. Bold: what differs between the twins. Pale: not yet read. Point at a word, or move to it with the arrow keys, to see where the head looks from there.",
    h("div", { class: "controls" }, exampleLabel, headLabel, slider.node), kind,
    h("div", { class: "columns story" }, texts, big.node),
    h("h3", {}, "All heads on this text"), strip.node,
    found.page.left_out > 0 && h("p", { class: "what" }, `${found.page.left_out} other texts are left out, with which this page would become too large.`));
}

function note({ family, kind }, { heads, page }) {
  const found = heads.families[family];
  const unresolved = found && !found.resolved;
  const asks = page.families[family] ? ` ${words(family)}: ${page.families[family]}.` : "";
  const doubt = unresolved ? ` The model is right in ${percent(found.model_accuracy)} of ${words(family)}: it does not resolve it, and what its heads do here is not interpreted.` : "";
  return `${KINDS[kind] ?? kind}.${asks}${doubt}`;
}
