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
  "swap in heads that do not look",
  "verdict",
];

function numbersRow(name, found) {
  const best = found.best;
  const [baseline, value] = bestBaseline(found);
  const { swap } = best.effects;
  const nats = (effect) =>
    effect ? `${effect.drop.toFixed(1)} (${effect.ci[0].toFixed(1)} to ${effect.ci[1].toFixed(1)})` : "–";
  return [
    percent(found.model_accuracy, 1),
    ...(found.resolved
      ? [
          `${best.head} ${best.site}`,
          `${percent(best.choice_accuracy, 1)} (${interval(best.ci)})`,
          `${percent(value, 1)} ${baseline}`,
          best.mass.toFixed(2),
          best.engagement.toFixed(1),
          best.p_adj.toFixed(4),
          nats(swap),
          (swap?.reference ?? null) === null ? "–" : swap.reference.toFixed(1),
        ]
      : Array(8).fill("–")),
    verdictOf(found, best) || "not shown to look",
  ];
}

function numbersSection(view, { heads, page }) {
  const names = Object.keys(heads.families);
  const buttons = names.map((name) =>
    h(
      "button",
      { type: "button", onclick: () => view.set({ family: name, head: heads.families[name].best.head }) },
      words(name),
    ),
  );
  const node = table(
    "The chosen head of every family",
    COLUMNS,
    names.map((name, i) => [buttons[i], ...numbersRow(name, heads.families[name])]),
  );
  node.classList.add("families");
  view.watch(({ family }, changed) => {
    if (!changed("family")) return;
    buttons.forEach((button, i) => {
      button.setAttribute("aria-pressed", names[i] === family);
      button.closest("tr").classList.toggle("on", names[i] === family);
    });
  });
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
