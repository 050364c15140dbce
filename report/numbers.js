/* All numbers as a table, and as the files that hold them. */

const COLUMNS = [
  "task",
  "model right",
  "head, site",
  "chosen again, of 200",
  "picks what is meant",
  "best baseline",
  "mass",
  "× uniform, × untrained",
  "p",
  "weight swap, nats; answers that it turns",
  "weight swap in heads that do not look",
  "verdict",
];

function numbersRow(found, notShown) {
  const best = found.best;
  const [baseline, value] = bestBaseline(found);
  const { weight_swap: swap } = best.effects;
  const drop = (effect) =>
    effect
      ? `${effect.drop.toFixed(1)} (${effect.ci[0].toFixed(1)} to ${effect.ci[1].toFixed(1)}), ${percent(effect.flip)}`
      : "–";
  return [
    percent(found.model_accuracy, 1) + (found.judged_by === "pairs" ? " of pairs" : ""),
    ...(found.resolved
      ? [
          `${best.head} ${best.site}`,
          chosenAgain(found),
          `${percent(best.choice_accuracy, 1)} (${interval(best.ci).replace("\u00a0%", "")})`,
          `${percent(value)} ${baseline}`,
          best.mass.toFixed(2),
          `${best.lift.toFixed(1)}, ${best.lift_untrained?.toFixed(1) ?? "–"}`,
          best.p_adj.toFixed(4),
          drop(swap),
          (swap?.reference ?? null) === null ? "–" : swap.reference.toFixed(1),
        ]
      : Array(9).fill("–")),
    [[verdictOf(found, best) || "not shown to look", notShown?.[1]].filter(Boolean).join("; "), { class: "wrap" }],
  ];
}

/** The files alone, where there are no tasks. */
const filesSection = () =>
  section(
    "numbers",
    "All numbers",
    "The file has every head, every interval and every way to take heads away.",
    h("p", { class: "controls" }, downloadButton("heads.json", "application/json")),
  );

function numbersSection(view, { heads, page }) {
  const names = Object.keys(heads.tasks);
  const buttons = names.map((name) =>
    h(
      "button",
      { type: "button", onclick: () => view.set({ task: name, head: heads.tasks[name].best.head }) },
      words(name),
    ),
  );
  const node = table(
    "The chosen head of every task",
    COLUMNS,
    names.map((name, i) => [buttons[i], ...numbersRow(heads.tasks[name], lookup(page.not_shown, name))]),
  );
  node.classList.add("tasks");
  view.watch(({ task }, changed) => {
    if (!changed("task")) return;
    buttons.forEach((button, i) => {
      button.setAttribute("aria-pressed", names[i] === task);
      button.closest("tr").classList.toggle("on", names[i] === task);
    });
  });
  const notes = page.too_few.map((reason) => h("p", { class: "what" }, `Not measured: ${reason}.`));
  const probe = heads.negative_control.accuracy;
  return section(
    "numbers",
    "All numbers",
    "Heads are chosen on one set of cases and reported on another; intervals are 95 %. Chosen again: in how many resamples of the first set the same head would have been chosen, and which other most often. Beside what is not shown: the smallest value that would have been found in four of five draws of as many cases. The files have every head, every intervention and every site.",
    node,
    notes,
    h(
      "p",
      { class: "what" },
      probe === null
        ? "No negative control: no pair of counterfactuals is the same text up to a pronoun."
        : `Negative control: ${percent(probe, 2)}; it must be 50 %.`,
    ),
    h(
      "p",
      { class: "controls" },
      downloadButton("heads.json", "application/json"),
      downloadButton("heads.csv", "text/csv"),
    ),
  );
}
