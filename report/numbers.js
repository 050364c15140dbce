/* All numbers as a table, and as the files that hold them. */

const COLUMNS = [
  "family",
  "model right",
  "head, site",
  "picks what is meant",
  "best baseline",
  "mass",
  "× uniform",
  "p",
  "swap, nats",
  "in others",
  "verdict",
];

function numbersRow(name, found) {
  const best = found.best;
  const [baseline, value] = bestBaseline(found);
  const { swap } = best.effects;
  const nats = (effect) =>
    effect ? `${effect.drop.toFixed(1)} (${effect.ci[0].toFixed(1)} to ${effect.ci[1].toFixed(1)})` : "–";
  return [
    words(name),
    `${percent(found.model_accuracy, 1)}`,
    `${best.head} ${best.site}`,
    `${percent(best.choice_accuracy, 1)} (${interval(best.ci)})`,
    `${percent(value)} ${baseline}`,
    best.mass.toFixed(2),
    best.engagement.toFixed(1),
    best.p_adj.toFixed(4),
    nats(swap),
    swap ? swap.reference.toFixed(1) : "–",
    verdictOf(found, best) || "not shown to look",
  ];
}

function numbersSection(view, { heads, page }) {
  const names = Object.keys(heads.families);
  const node = table(
    "The chosen head of every family",
    COLUMNS,
    names.map((name) => numbersRow(name, heads.families[name])),
  );
  const rows = [...node.querySelectorAll("tbody tr")];
  rows.forEach((row, i) =>
    row.addEventListener("click", () => view.set({ family: names[i], head: heads.families[names[i]].best.head })),
  );
  view.watch(
    ({ family }, changed) =>
      changed("family") && rows.forEach((row, i) => row.classList.toggle("on", names[i] === family)),
  );
  const notes = page.too_few.map((reason) => h("p", { class: "what" }, `Not measured: ${reason}.`));
  const probe = heads.impossible_probe.accuracy;
  return section(
    "numbers",
    "All numbers",
    "Heads are chosen on one set of cases and quoted on another; intervals are 95 %. The files have every head, every intervention and every site.",
    node,
    notes,
    h(
      "p",
      { class: "what" },
      probe === null
        ? "No impossible probe: no twins are the same up to a pronoun."
        : `Impossible probe: ${percent(probe, 2)}, must be 50 %.`,
    ),
    h(
      "p",
      { class: "controls" },
      downloadButton("heads.json", "application/json"),
      downloadButton("heads.csv", "text/csv"),
    ),
  );
}
