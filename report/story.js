/* A story, its counterfactual beneath, the sites to look from, and the patterns of all heads on it. */

const KINDS = {
  articles: "A pair from articles. The other texts are chosen by how well the best head does on them",
  typical:
    "A typical pair: the median of all pairs by how much more attention the best head gives to what is meant",
  hardest: "The hardest pair: the one on which the best head does worst",
  held_out: "The beginning of a window of the text that heads were measured in",
};
const CASE_MARKS =
  " Underlined: what is meant; dotted: the other candidate. Bold: what differs between the two texts of the pair.";
const exampleName = ({ task, kind, name }) =>
  name ?? (task === null ? "the text that was measured" : `${words(task)}, ${kind}`);

/** A range over the sites, each with its name beneath. */
function siteSlider(view) {
  const range = h("input", { type: "range", min: 0, step: 1, "aria-label": "site: the word attended from" });
  const ticks = h("div", { class: "ticks" });
  const meaning = h("p", { class: "meaning" });
  let sites = [];
  range.addEventListener("input", () => view.set({ site: sites[+range.value].name, pinned: null, hovered: null }));
  const node = h("div", { class: "slider" }, range, ticks, meaning);
  return {
    node,
    show(own, { site, pinned }) {
      sites = own;
      node.hidden = sites.length < 2;
      const chosen = sites.findIndex(({ name, position }) => (pinned ? position === pinned.i : name === site));
      const i =
        chosen >= 0
          ? chosen
          : Math.max(
              0,
              sites.findIndex(({ name }) => name === site),
            );
      range.max = sites.length - 1;
      range.value = i;
      range.setAttribute("aria-valuetext", `${sites[i].name}: ${sites[i].meaning}`);
      ticks.replaceChildren(
        ...sites.map(({ name }, j) =>
          h(
            "button",
            {
              type: "button",
              class: j === chosen ? "on" : "",
              tabindex: -1,
              onclick: () => view.set({ site: name, pinned: null, hovered: null }),
            },
            name,
          ),
        ),
      );
      meaning.textContent = chosen >= 0 ? `${sites[i].name}: ${sites[i].meaning}` : "a word of your choice";
    },
  };
}

/** Every head's pattern on the story, small; a click chooses the head. */
function headStrip(view, found) {
  const canvases = found.names.map((name) => h("canvas", { "aria-hidden": "true", "data-head": name }));
  const buttons = found.names.map((name, k) =>
    h(
      "button",
      { type: "button", "aria-label": `head ${name}`, title: `head ${name}`, onclick: () => view.set({ head: name }) },
      canvases[k],
      h("span", {}, name),
    ),
  );
  return {
    node: h(
      "div",
      {
        class: found.names.length > 64 ? "strip dense" : "strip",
        role: "group",
        "aria-label": "patterns of all heads on this text",
        "--heads": found.heads.model.n_head,
      },
      buttons,
    ),
    choose: (head) =>
      buttons.forEach((button, k) => {
        button.setAttribute("aria-pressed", found.names[k] === head);
        button.tabIndex = found.names[k] === head ? 0 : -1; // the role map is the way of the arrow keys
      }),
    draw: ({ patterns, words: { length } }) =>
      canvases.forEach((canvas, k) => drawPattern(canvas, patterns, k, length)),
  };
}

/** The chosen head's whole pattern; pointing at it shows what is attended to from where. */
function bigPattern(view, found) {
  const canvas = h("canvas", { class: "big", role: "img" });
  const caption = h("figcaption", {});
  const row = h("div", { class: "row" });
  let shownText = null;
  const position = (event) => {
    const box = canvas.getBoundingClientRect();
    const n = shownText.words.length;
    return [event.clientY - box.top, event.clientX - box.left].map((at) => within(n, Math.floor((at / box.width) * n)));
  };
  canvas.addEventListener("pointermove", (event) => {
    const [query, key] = position(event);
    view.set({ hovered: shownText.position(query) });
    const weights = shownText.patterns.row(found.names.indexOf(view.state.head), query);
    const { tokens } = shownText.text;
    if (key <= query && weights)
      caption.textContent = `${tokens[query].trim()} → ${tokens[key].trim()}: ${weights[key].toFixed(2)}`;
  });
  canvas.addEventListener("pointerleave", () => view.set({ hovered: null }));
  canvas.addEventListener("click", (event) => view.set({ pinned: shownText.position(position(event)[0]), hovered: null }));
  return {
    node: h("figure", { class: "pattern" }, h("div", { class: "frame" }, canvas, row), caption),
    show(one, state, redraw) {
      shownText = one;
      const n = shownText.words.length;
      if (redraw) drawPattern(canvas, shownText.patterns, found.names.indexOf(state.head), n);
      canvas.setAttribute("aria-label", `attention pattern of head ${state.head}, ${n} by ${n} tokens`);
      const query = shownText.query(state);
      row.style.setProperty("--at", query ?? -1);
      row.style.setProperty("--n", n);
      row.hidden = query === null;
      if (!state.hovered) caption.textContent = `head ${state.head}: each row is the word attended from, each column the word attended to`;
    },
  };
}

/** The controls of the section, and what they show of a state. */
function storyControls(view, found) {
  const { examples } = found.page;
  const [text, textSelect] = chooser(
    "Text",
    examples.map((example, i) => [i, exampleName(example)]),
    (i) => {
      const example = examples[i];
      view.set({ example, task: example.task ?? view.state.task, pinned: null, hovered: null });
    },
  );
  const [head, headSelect] = chooser(
    "Head",
    found.names.map((name) => [name, name]),
    (name) => view.set({ head: name }),
  );
  const slider = siteSlider(view);
  return {
    node: h("div", { class: "controls" }, examples.length > 1 && text, head, slider.node),
    show(state, changed) {
      textSelect.value = examples.indexOf(state.example);
      headSelect.value = state.head;
      if (changed("example", "site", "pinned")) slider.show(state.example.texts[0].sites, state);
    },
  };
}

function storySection(view, found) {
  const textsOfExample = (example) => example.texts.map((text, i) => new TintedText(text, example.texts[1 - i], found, view));
  const textsOf = new Map(found.page.examples.map((example) => [example, textsOfExample(example)]));
  const [controls, strip, big] = [storyControls(view, found), headStrip(view, found), bigPattern(view, found)];
  const kind = h("p", { class: "what kind" });
  const texts = h("div", { class: "texts" });
  let before = null; // the text whose pattern is drawn
  view.watch(async (state, changed) => {
    const { example } = state;
    const shownTexts = textsOf.get(example);
    if (changed("example")) {
      kind.textContent = describeExample(example, found);
      texts.replaceChildren(...shownTexts.flatMap(({ node, status, model }) => [node, status, model]));
    }
    controls.show(state, changed);
    if (changed("head")) strip.choose(state.head);
    await Promise.all(shownTexts.map((shownText) => shownText.load()));
    if (view.state.example !== example) return; // the reader has gone on meanwhile
    for (const shownText of shownTexts) shownText.draw(view.state);
    if (changed("example", "scheme")) strip.draw(shownTexts[0]);
    const shown = shownTexts.find(({ text }) => text === view.state.hovered?.text) ?? shownTexts[0];
    big.show(shown, view.state, changed("example", "head", "scheme") || shown !== before);
    before = shown;
  });
  const { left_out: left, examples } = found.page;
  const ofCases = examples.some(({ task }) => task !== null);
  return section(
    "story",
    ofCases ? "What it attends to" : "Word by word",
    `Boxed: the word from which the head attends. Tinted: what it attends to.${ofCases ? CASE_MARKS : ""} Pale: not yet read. Point at a word, or move to it with the arrow keys, to see what the head attends to from there.`,
    controls.node,
    kind,
    h("div", { class: "columns story" }, texts, big.node),
    h("h3", {}, "All heads on this text"),
    strip.node,
    left > 0 && h("p", { class: "what" }, `${left} more texts are left out: this page would become too large.`),
  );
}

function describeExample({ task, kind }, { heads, page }) {
  const found = lookup(heads.tasks, task);
  const unresolved = found && !found.resolved;
  const what = lookup(page.tasks, task);
  const asks = what ? ` In “${words(task)}”: ${what}.` : "";
  const doubt = unresolved
    ? ` The model is right in ${percent(found.model_accuracy)} of ${found.judged_by === "pairs" ? "pairs of " : ""}${words(task)}. It does not resolve this task, so what its heads do here is not interpreted.`
    : "";
  return `${KINDS[kind] ?? kind}.${asks}${doubt}`;
}
