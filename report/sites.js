/* Choice accuracy against site: from where a head can know what is meant. */

function sitesSection(view, { heads, page }) {
  const key = h("p", { class: "key" });
  const note = h("p", { class: "status" });
  const numbers = h("div", {});
  const area = chart({ label: "", height: 300, ...emptyAxes(), lines: [] });
  view.watch(({ task, head }, changed) => {
    if (!changed("task", "head")) return;
    const found = heads.tasks[task];
    area.draw(sitesSpec(task, head, found));
    key.replaceChildren(...sitesKey(head, found));
    note.textContent = `${describeSites(task, head, found)}${describeChoice(found, lookup(page.not_shown, task))}`;
    numbers.replaceChildren(sitesTable(task, head, found));
  });
  return section(
    "sites",
    "From which word on a head can know",
    "How often a head gives what is meant more attention than the other candidate, measured at each site: P-1 predicts the pronoun, P is the pronoun, C the cue, A-1 predicts the answer, A is the answer, where no head is chosen. Negative control: two counterfactuals that differ only after the pronoun are the same text up to it, so there every head must be at 50 %.",
    h("figure", {}, key, area.node, h("figcaption", {}, note)),
    h("details", {}, h("summary", {}, "The same in numbers"), numbers),
  );
}

const emptyAxes = () => ({
  x: { min: 0, max: 1, ticks: [] },
  y: { min: 0, max: 1, ticks: [0, 0.25, 0.5, 0.75, 1], text: (value) => percent(value) },
});

function sitesSpec(task, head, found) {
  const { sites, choice_accuracy: accuracy, ci } = found.by_site;
  const line = (name, kind) => ({
    name: `head ${name}`,
    kind,
    dots: kind === "chosen",
    points: accuracy[name].map((value, i) => [i, value]),
  });
  const others = Object.keys(accuracy).filter((name) => name !== head);
  const control = found.negative_control;
  return {
    ...emptyAxes(),
    label: describeSites(task, head, found),
    x: { min: -0.35, max: sites.length - 0.65, ticks: sites.map((site, i) => [i, site]) },
    lines: [...others.map((other) => line(other, "other")), line(head, "chosen")],
    bands: [{ points: ci[head].map(([low, high], i) => [i, low, high]) }],
    rules: [
      { y: 0.5, kind: "half" },
      { y: bestBaseline(found)[1], kind: "baseline" },
    ],
    marks: control
      ? [
          {
            x: sites.indexOf("P"),
            y: control.accuracy,
            text: `negative control: ${percent(control.accuracy, 2)}`,
          },
        ]
      : [],
  };
}

function sitesKey(head, found) {
  const [name, value] = bestBaseline(found);
  const entries = [
    keyEntry("line chosen", `head ${head}, 95 % interval`),
    keyEntry("line", "other heads"),
    keyEntry("rule half", "50 %"),
    keyEntry("rule baseline", `best baseline at its own best site: ${name}, ${percent(value)}`),
  ];
  if (found.negative_control)
    entries.push(keyEntry("mark", `negative control: ${percent(found.negative_control.accuracy, 2)}`));
  return entries;
}

function describeSites(task, head, found) {
  if (!found.resolved) return `${words(task)}: ${NOT_INTERPRETED[0].toLowerCase()}${NOT_INTERPRETED.slice(1)}`;
  const { sites, choice_accuracy: accuracy } = found.by_site;
  const each = sites.map((site, i) => `${site} ${percent(accuracy[head][i])}`).join(", ");
  const control = found.negative_control;
  const probe = control
    ? ` Negative control, over ${control.cases} cases that are the same as their counterfactuals up to P: ${percent(control.accuracy, 2)}.`
    : " No pair of this task is the same text up to the pronoun, so there is no negative control.";
  return `${words(task)}, head ${head}: ${each}.${probe}`;
}

/** How sure the choice of the task's head is, whichever head is looked at, and what is not shown of it. */
function describeChoice({ best, stability, resolved }, notShown) {
  if (!resolved) return "";
  const others = Object.entries(stability.heads).filter(([name]) => name !== best.head);
  const again = ` Head ${best.head} was chosen for this task, and again in ${stability.same_head} of ${stability.resamples} resamples of the cases that heads are chosen on`;
  const rest = others.map(([name, times]) => `${name} in ${times}`).join(", ");
  const [what, wouldShow] = notShown ?? [];
  return `${again}${rest ? ` (${rest})` : ""}.${what ? ` That it ${what} is not shown: ${wouldShow}.` : ""}`;
}

function sitesTable(task, head, found) {
  const { sites, choice_accuracy: accuracy, ci } = found.by_site;
  return table(
    `Choice accuracy by site in ${words(task)}`,
    ["head", ...sites],
    Object.keys(accuracy).map((name) => [
      name === head ? `${name} (chosen)` : name,
      ...accuracy[name].map((value, i) => `${percent(value, 1)} (${interval(ci[name][i])})`),
    ]),
  );
}
