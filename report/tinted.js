/* One text in running words, every word tinted by how much the chosen head attends to it. */

const massOn = (weights, spans) => weights.reduce((sum, weight, i) => sum + (inSpans(spans, i) ? weight : 0), 0);

/** One text with its own words, status line and pattern. `query(state)` says which token is attended from; null: none that is here. */
class TintedText {
  constructor(text, counterfactual, found, view) {
    this.text = text;
    this.found = found;
    this.view = view;
    const differs = counterfactual ? differing(text.tokens, counterfactual.tokens) : [];
    this.words = text.tokens.map((token, i) => this.word(token, i, differs[i]));
    this.node = h(
      "p",
      {
        class: "tinted",
        tabindex: 0,
        role: "group",
        dir: directionOf(text.tokens),
        "aria-label": `${text.tokens.slice(text.tokens[0] === START ? 1 : 0).join("")}. Arrow keys move the word attended from.`,
      },
      runningText(this.words, text.tokens),
    );
    this.status = h("p", { class: "status", "aria-live": "polite" });
    this.model = h("p", { class: "status" });
    onKey(this.node, (event) => this.onkey(event));
    this.node.addEventListener("pointerover", (event) => this.hover(event.target));
    this.node.addEventListener("pointerleave", () => this.view.set({ hovered: null }));
    this.node.addEventListener("click", (event) => this.pin(event.target));
  }

  word(token, i, differs) {
    const marks = [
      "word",
      i === 0 && token === START && "start",
      inSpans(this.text.gold, i) && "gold",
      inSpans(this.text.distractors, i) && "other",
      differs && "differs",
    ];
    return h("bdi", { class: marks.filter(Boolean).join(" "), "data-i": i }, token.replace(/^ /, ""));
  }

  hover(target) {
    if (target.dataset.i !== undefined) this.view.set({ hovered: this.position(+target.dataset.i) });
  }

  pin(target) {
    if (target.dataset.i !== undefined) this.view.set({ pinned: this.position(+target.dataset.i), hovered: null });
  }

  onkey(event) {
    const { length } = this.words;
    const next = wordByKey(event, this.query(this.view.state) ?? length - 1, length);
    if (next !== undefined) this.view.set({ pinned: this.position(next), hovered: null });
  }

  /** A token pointed at in this text, or in a counterfactual that has as many. */
  position(i) {
    return { text: this.text, i, n: this.words.length };
  }

  /** The token attended from: the one pointed at, the one chosen, or the site. */
  query({ hovered, pinned, site }) {
    if (hovered?.n === this.words.length) return hovered.i;
    if (pinned?.n === this.words.length) return pinned.i;
    return this.text.sites.find(({ name }) => name === site)?.position ?? null;
  }

  /** Unpacks the pattern, once. */
  load() {
    const { text, found } = this;
    this.loaded ??= unpack(text.patterns).then((bytes) => {
      this.patterns = new Patterns(bytes, text.rows, found.page.levels);
    });
    return this.loaded;
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
    const { tokens, gold, rivals } = this.text;
    if (query === null) return "this text has no such site";
    const from = `from “${tokens[query].trim()}”`;
    if (!weights) return `${from}: left out, because this page would become too large; the slider's sites are in it`;
    const looks = heaviest(weights)
      .map((i) => `${tokens[i].trim()} ${weights[i].toFixed(2)}`)
      .join(", ");
    const sums = gold.length
      ? ` · what is meant ${massOn(weights, gold).toFixed(2)}, ${rivals.length > 1 ? "the heaviest other" : "the other"} ${Math.max(...rivals.map((spans) => massOn(weights, spans))).toFixed(2)}`
      : "";
    return `${from}: ${looks}${sums}`;
  }

  describeModel(query) {
    const { answer, foil, p_answer: right, p_foil: wrong, sites } = this.text;
    const asked = sites.find(({ name }) => name === "A-1");
    if (answer === null || query !== asked?.position) return "";
    return `probability of the next token: answer “${answer.trim()}” ${chance(right)}, foil “${foil.trim()}” ${chance(wrong)}`;
  }
}
