/* Which few heads suffice: what sets of heads do when all other heads are replaced by their means. */

const ORDERS = {
  greedy: { kind: "chosen", text: "greedy: always the head that brings most" },
  necessary: { kind: "dashed", text: "the necessary heads first" },
  effect: { kind: "dotted", text: "by the effect of each head alone" },
  random: { kind: "thin", text: "at random: mean and range of 10 orders" },
};

function sufficientSection(view, { heads }) {
  const [figure, numbers] = [h("figure", {}), h("details", {})];
  const findings = h("ul", {});
  view.watch(({ task }, changed) => {
    if (!changed("task")) return;
    const found = heads.tasks[task].sufficient;
    for (const node of [figure, numbers]) node.hidden = !found;
    if (!found) {
      findings.replaceChildren(h("li", {}, `${words(task)}: the model does not resolve it, so no sets were measured.`));
      return;
    }
    figure.replaceChildren(...sufficientFigure(task, found));
    findings.replaceChildren(...aboutSets(found).map((sentence) => h("li", {}, sentence)));
    numbers.replaceChildren(h("summary", {}, "The same in numbers"), sufficientTable(task, found));
  });
  return section(
    "sufficient",
    "Which few heads suffice",
    "Some heads are kept; the output of every other head is replaced by its mean. Log-odds of the answer to the foil, in nats, against how many heads are kept, for four orders in which heads are added. Orders are made on one set of cases and measured on another.",
    figure,
    findings,
    numbers,
  );
}

function sufficientFigure(task, found) {
  const status = h("p", { class: "status" }, describeSize(found, found.heads.length));
  const area = chart(
    sufficientSpec(task, found, (size) => {
      status.textContent = describeSize(found, size ?? found.heads.length);
    }),
  );
  const key = h(
    "p",
    { class: "key" },
    Object.values(ORDERS).map(({ kind, text }) => keyEntry(`line ${kind}`, text)),
    keyEntry("rule baseline", "all heads"),
    keyEntry("mark", "the smallest set found"),
  );
  return [key, area.node, h("figcaption", {}, status)];
}

function sufficientSpec(task, { curves, heads, kept, all, largest }, onpoint) {
  const lines = Object.entries(ORDERS).map(([name, { kind, text }]) => ({
    name: text,
    kind,
    dots: kind === "chosen",
    points: curves[name].points.map(({ log_odds: odds }, size) => [size, odds]),
  }));
  const bands = [{ points: curves.random.points.map(({ ci: [least, most] }, size) => [size, least, most]) }];
  const values = [...lines, { points: bands[0].points.flatMap(([at, ...ends]) => ends.map((end) => [at, end])) }];
  const [low, high] = fromZero([...values, { points: [[0, all.log_odds]] }], 1);
  return {
    label: `Log-odds of the answer in ${words(task)} against how many heads are kept`,
    height: 280,
    x: { min: 0, max: largest, ticks: curves.greedy.points.map((_, size) => [size, `${size}`]) },
    y: { min: low, max: high, ticks: ticksBetween(low, high, 6), text: (value) => `${value}` },
    lines,
    bands,
    rules: [{ y: all.log_odds, kind: "baseline" }],
    marks: [{ x: heads.length, y: kept.log_odds, text: heads.join(" ") }],
    onpoint,
  };
}

/** What each order does with so many heads. */
function describeSize({ curves }, size) {
  const each = Object.keys(ORDERS).map((name) => `${name} ${nats(curves[name].points[size].log_odds, 1)}`);
  return `${counted(size, "head")} kept, nats: ${each.join(", ")}.`;
}

const pValue = (p) => (p < 0.001 ? "p < 0.001" : `p ${+p.toPrecision(2)}`);

/** The smallest set, the areas and the tests, each in a sentence or two. */
function aboutSets(found) {
  const { heads, n_heads: all, share, share_ci: ci, reached, enough, curves, largest } = found;
  const limit = largest < all ? [`Only the ${largest} of ${all} heads with the largest effects alone were tried, necessary heads first.`] : [];
  if (share === null)
    return ["All heads together do not surely raise the log-odds of the answer, so no share is quoted.", ...limit];
  const goal = reached ? "" : ` No set reaches ${percent(enough)} on the cases that sets are chosen on.`;
  const areas = Object.keys(ORDERS).map((name) => {
    const { area, area_ci: ends } = curves[name];
    return `${name} ${area.toFixed(2)} (${natsInterval(ends)})`;
  });
  return [
    `${heads.length} of ${all} heads bring ${percent(share)} (${interval(ci)}) of what all heads bring to the log-odds: ${heads.join(", ")}.${goal}`,
    ...limit,
    `Area under each curve, 1 if the first head did it all: ${areas.join("; ")}.`,
    ...aboutTests(found),
  ];
}

function aboutTests({ circuit, complement, members, epsilon, quantile }) {
  const result = ({ better, groups, p, rejected }) =>
    `higher log-odds in ${better} of ${groups} groups of cases about the same words, ${pValue(p)}: ${rejected ? "rejected" : "not rejected, which proves nothing"}`;
  const superfluous = members.filter((member) => member.superfluous).map(({ head, p }) => `${head} (${pValue(p)})`);
  const costs = members.map(({ head, drop }) => `${head} ${nats(drop, 1)}`).join(", ");
  const needed = superfluous.length
    ? `Superfluous: ${superfluous.join(", ")}.`
    : "None is shown to be superfluous, which proves nothing.";
  return [
    `Equivalence: do they score higher than the whole model in half of the groups (1/2 ± ${epsilon})? These heads alone: ${result(circuit)}. All other heads alone: ${result(complement)}.`,
    members.length
      ? `Minimality: does taking one of them out change the log-odds more than taking a random head out of a larger set, in at least ${percent(quantile)} of draws? ${needed} Taking each out costs, in nats: ${costs}.`
      : "Minimality is not tested: no other head is left to compare with.",
  ];
}

function sufficientTable(task, { curves }) {
  const cell = ({ heads, points }, size) => {
    const { log_odds: odds, ci, preference } = points[size];
    const added = size && heads.length ? `+ ${heads[size - 1]}: ` : "";
    return `${added}${nats(odds, 1)} (${natsInterval(ci)}), ${percent(preference)}`;
  };
  return table(
    `Log-odds in nats, and how often the answer is preferred, by how many heads are kept in ${words(task)}`,
    ["heads", ...Object.keys(ORDERS)],
    curves.greedy.points.map((_, size) => [`${size}`, ...Object.keys(ORDERS).map((name) => cell(curves[name], size))]),
  );
}
