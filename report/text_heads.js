/* What each head attends to in a text: bars of attention by relation of key to query, and the chosen head in numbers. */

const MANY_HEADS = 40; // above which rows are thin and stand in columns

const relationName = (name, { page }) => nameIn(page.text.relations, name);
const kindName = (name, { page }) => nameIn(page.text.kinds, name);
const relationColour = (name, { page }) => lookup(page.text.colours, name) ?? page.other_role;

/** Items by layer: [[layer, items], ...]. */
function byLayer(items) {
  const groups = new Map();
  for (const item of items) groups.set(item.layer, [...(groups.get(item.layer) ?? []), item]);
  return [...groups];
}

function describeRole({ role, by, nats: lost, ci, share, uniform }, found) {
  if (by === "effect") return `without it, predicting ${kindName(role, found)} costs ${nats(lost)} nats more (${natsInterval(ci)})`;
  return `attends to ${relationName(role, found)}, ${percent(share)} of its attention where there is one (uniform ${percent(uniform)})`;
}

/** A role in a few letters, to stand beside a bar. */
const shortRole = ({ role, by, nats: lost }, found) =>
  by === "effect" ? `${kindName(role, found)} ${nats(lost)}` : `→ ${relationName(role, found)}`;

function describeLooks({ looks }, found) {
  const largest = Object.entries(looks.relations).sort(([, a], [, b]) => b.share - a.share);
  return largest
    .slice(0, 3)
    .map(([name, own]) => `${relationName(name, found)} ${percent(own.share)} (uniform ${percent(own.uniform)})`)
    .join(", ");
}

/** Shares of one head, or of uniform attention, beside each other: they sum to 1. */
const stack = (relations, key, found) =>
  h(
    "span",
    { class: "stack", "aria-hidden": "true" },
    Object.entries(relations).map(([name, own]) =>
      h("span", {
        "data-relation": name,
        title: `${relationName(name, found)} ${percent(own[key], 1)}`,
        "--part": own[key],
        "--role": relationColour(name, found),
      }),
    ),
  );

function headBar(head, view, found) {
  const [role] = head.roles;
  return h(
    "div",
    {
      role: "option",
      class: "headbar",
      "data-head": head.head,
      "aria-label": `head ${head.head}: ${describeLooks(head, found)}${role ? `; ${describeRole(role, found)}` : ""}`,
      onclick: () => view.set({ head: head.head }),
    },
    h("span", { class: "name" }, head.head),
    stack(head.looks.relations, "share", found),
    h("span", { class: "does" }, role ? shortRole(role, found) : ""),
  );
}

/** All heads as bars, by layer, each layer with what uniform attention would give; arrow keys choose a head. */
function headBars(view, found) {
  const { heads } = found.text;
  const bars = new Map(heads.map((head) => [head.head, headBar(head, view, found)]));
  const groups = byLayer(heads).map(([layer, own]) =>
    h(
      "div",
      { role: "group", "aria-label": `layer ${layer}`, class: "barlayer" },
      h(
        "div",
        { class: "headbar uniform", "aria-hidden": "true" },
        h("span", { class: "name" }, `layer ${layer}`),
        stack(own[0].looks.relations, "uniform", found),
        h("span", { class: "does" }, "uniform"),
      ),
      own.map(({ head }) => bars.get(head)),
    ),
  );
  const list = h(
    "div",
    {
      role: "listbox",
      class: heads.length > MANY_HEADS ? "headbars many" : "headbars",
      "aria-label": "heads and where they look; arrow keys choose one",
    },
    groups,
  );
  const names = [...bars.keys()];
  onKey(list, (event) => {
    const at = names.indexOf(view.state.head);
    const [before, after] = [at - 1, at + 1].map((i) => names[within(names.length, i)]);
    const [Home, End] = [names[0], names.at(-1)];
    const name = keyMove(event, { ArrowUp: before, ArrowLeft: before, ArrowDown: after, ArrowRight: after, Home, End });
    if (!name) return;
    view.set({ head: name });
    bars.get(name).focus();
  });
  view.watch(({ head }, changed) => changed("head") && roving(bars, head));
  return list;
}

/** The chosen head: its roles, and its attention by relation, which is the legend of the bars, too. */
function lookTable({ head, looks }, found) {
  const share = (value) => [value === null ? "–" : (100 * value).toFixed(1), { class: "number" }];
  const rows = Object.entries(looks.relations).map(([name, own]) => [
    h(
      "span",
      { title: lookup(found.text.relations, name) },
      h("span", { class: "chip", "--role": relationColour(name, found) }),
      relationName(name, found),
    ),
    share(own.share),
    share(own.uniform),
    share(own.where_possible),
    share(own.uniform_where_possible),
  ]);
  const columns = ["attends to", "share, %", "uniform", "where there is one", "uniform there"];
  return table(
    `Attention of head ${head} by what it goes to`,
    columns.map((name, i) => (i ? [name, { class: "number" }] : name)),
    rows,
  );
}

function describeSpread({ looks }) {
  const first =
    looks.first_value === null
      ? ""
      : ` The first token's value is ${looks.first_value.toFixed(2)} times as large as others'.`;
  return `Its attention goes ${looks.distance.toFixed(1)} tokens back on average (uniform ${looks.uniform_distance.toFixed(1)}) and is spread over ${looks.effective_tokens.toFixed(1)} tokens (uniform ${looks.uniform_effective_tokens.toFixed(1)}).${first}`;
}

const meaningsOfRelations = (found) =>
  h(
    "details",
    {},
    h("summary", {}, "What the colours mean"),
    h(
      "ul",
      { class: "legend" },
      Object.entries(found.text.relations).map(([name, what]) =>
        legendItem(relationColour(name, found), relationName(name, found), `: ${what}`),
      ),
      h("li", {}, "Each pair of tokens counts once, for the first of these that holds."),
    ),
  );

function textHeadsSection(view, found) {
  const title = h("h3", {});
  const roles = h("p", { class: "what" });
  const numbers = h("div", {});
  const spread = h("p", { class: "what" });
  view.watch(({ head }, changed) => {
    if (!changed("head")) return;
    const own = found.text.heads.find((other) => other.head === head);
    title.textContent = `Head ${head}`;
    const does = own.roles.map((role) => describeRole(role, found)).join("; ");
    roles.textContent = does ? `${capitalised(does)}.` : "It has no role in this text.";
    numbers.replaceChildren(lookTable(own, found));
    spread.textContent = describeSpread(own);
  });
  return section(
    "text-heads",
    "What each head attends to",
    "Each bar: how a head's attention is shared out among kinds of tokens that it can see, over all of this text. Above each layer: what attention spread evenly over all tokens would give. Beside the bar: what the head does, with the nats that are lost without it. Choose a head by a click or the arrow keys.",
    h(
      "div",
      { class: found.text.heads.length > MANY_HEADS ? "columns textheads many" : "columns textheads" },
      headBars(view, found),
      h("div", { class: "chosenhead" }, title, roles, numbers, spread, meaningsOfRelations(found)),
    ),
  );
}
