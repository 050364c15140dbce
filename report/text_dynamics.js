/* What it costs a run to do without each head, in a text, while it was trained. */

const BEGAN_TO_MATTER = "When did these heads begin to matter?";
const MOST_NAMED = 5; // heads with a colour of their own
const LEAST_NATS = 0.01; // of the axis, so that noise is not drawn as large as an effect
const COSTS = [
  { key: "nats", title: "cost over all tokens, nats" },
  { key: "kind_nats", title: "cost on the kind of token that needs it most, nats" },
];

const whatHeadsCost = (named, when) =>
  `What it costs to do without each attention head in the text, at moments of training: how many nats per token the loss grows when its output is replaced by its mean, against training step (logarithmic). 0: the model does as well without it. Thick: the chosen head. In colour: ${named}. Pale: the others. ${when}, on a few thousand tokens; there are no intervals.`;

/** The heads that have a colour: those with a role, `strongest` first, then those that cost most at the end. */
function namedHeads(moments, strongest) {
  const { heads } = moments.at(-1);
  const byCost = Object.keys(heads).sort((one, other) => (heads[other].nats ?? 0) - (heads[one].nats ?? 0));
  return [...new Set([...strongest.filter((head) => lookup(heads, head)), ...byCost])].slice(0, MOST_NAMED);
}

function describeCost({ step, tokens, heads }, head, kinds) {
  const own = lookup(heads, head);
  const when = `step ${thousands(step)}, ${compact(tokens)} tokens, head ${head}`;
  if ((own?.nats ?? null) === null) return `${when}: not measured`;
  const most = own.kind === null ? "" : `; most on ${nameIn(kinds, own.kind)}, ${nats(own.kind_nats)}`;
  return `${when}: without it ${nats(own.nats, 3)} nats per token more${most}`;
}

function costSpec({ key, title }, moments, view, named) {
  const { head } = view.state;
  const heads = Object.keys(moments.at(-1).heads);
  const line = (name) => ({
    name: `head ${name}`,
    kind: [named.includes(name) ? `named named-${named.indexOf(name)}` : "other", name === head && "chosen"]
      .filter(Boolean)
      .join(" "),
    dots: name === head && moments.length <= MANY,
    points: moments.map(({ step, heads: own }) => [step, lookup(own, name)?.[key] ?? null]),
  });
  const order = (name) => (name === head ? 2 : +named.includes(name)); // the last one is on top
  const lines = heads.toSorted((one, other) => order(one) - order(other)).map(line);
  const [low, high] = fromZero(lines, LEAST_NATS);
  return {
    label: `${title}: head ${head} and ${heads.length - 1} other heads`,
    height: 260,
    x: momentAxis(moments, "step"),
    y: { min: low, max: high, ticks: ticksBetween(low, high), text: (value) => `${value}` },
    lines,
  };
}

/** All heads at one moment as a table. */
function costTable({ step, heads }, kinds) {
  const number = (value, digits) => [(value ?? null) === null ? "–" : nats(value, digits), { class: "number" }];
  return table(
    `What it costs to do without a head at step ${thousands(step)}`,
    ["head", ["all tokens, nats", { class: "number" }], "most on", ["nats there", { class: "number" }]],
    Object.entries(heads).map(([head, own]) => [
      head,
      number(own.nats, 3),
      own.kind === null ? "–" : nameIn(kinds, own.kind),
      number(own.kind_nats, 2),
    ]),
  );
}

/**
 * `moments` as `text.dynamics` of heads.json; `kinds`: kinds of token in words; `strongest`: the heads with a role;
 * `explanation`: the first paragraph. The section follows the view's head, and chooses it.
 */
function textDynamicsSection(view, moments, kinds, strongest, explanation) {
  const named = namedHeads(moments, strongest);
  const { heads } = moments.at(-1);
  const [choose, select] = chooser(
    "Head to follow",
    Object.keys(heads).map((head) => [head, head]),
    (head) => view.set({ head }),
  );
  let shown = moments.at(-1);
  const [numbers, refill] = lazyDetails("All heads at this step in numbers", () => costTable(shown, kinds));
  const describe = (moment) => {
    shown = moment;
    refill();
    return describeCost(moment, view.state.head, kinds);
  };
  const panels = COSTS.map((panel) => [panel.title, () => costSpec(panel, moments, view, named)]);
  const [draw, ...nodes] = momentCharts(moments, "step", panels, describe);
  view.watch(({ head }, changed) => {
    if (!changed("head")) return;
    select.value = head;
    draw();
  });
  const most = ({ kind }) => (kind === null ? "" : `, most on ${nameIn(kinds, kind)}`);
  return section(
    "text-dynamics",
    BEGAN_TO_MATTER,
    explanation,
    h("div", { class: "controls" }, choose),
    h(
      "p",
      { class: "key" },
      named.map((head, i) => keyEntry(`line named named-${i}`, `${head}${most(heads[head])}`)),
      named.length < Object.keys(heads).length && keyEntry("line", "other heads"),
    ),
    nodes,
    numbers,
  );
}
