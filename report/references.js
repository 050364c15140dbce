/* When references were resolved: the loss that only the referent can lower, task by task. */

const REFERENCES = [
  { key: "loss", title: "loss on the answer, nats", height: 230 },
  { key: "accuracy", title: "the answer is the likeliest of all tokens", height: 170 },
];

function referencesSection(view, run) {
  const names = Object.keys(run.tasks);
  const panels = REFERENCES.map((panel) => ({ ...panel, chart: chart(referenceSpec(panel, view, run)) }));
  const key = h("p", { class: "key" });
  const status = h("p", { class: "status", "aria-live": "polite" });
  view.watch(({ task, step }, changed) => {
    if (!changed("task", "step")) return;
    for (const panel of panels) panel.chart.draw(referenceSpec(panel, view, run));
    key.replaceChildren(
      keyEntry("line chosen", words(task)),
      keyEntry("line", "other tasks"),
      keyEntry("rule half", "guessing between the candidates"),
    );
    status.textContent = describeReference(task, step, run);
  });
  return section(
    "references",
    "References",
    "The loss on the answer, the one word that only the referent decides, in held-out stories. Guessing between two candidates costs ln 2 = 0.69 nats on average; a model whose loss stays below that uses references. probe.py measures how certain that is, and which heads do it.",
    h(
      "div",
      { class: "columns references" },
      taskTable(view, run, names),
      h(
        "div",
        {},
        key,
        panels.map(({ title, chart: { node } }) => h("figure", {}, h("figcaption", {}, title), node)),
        status,
      ),
    ),
  );
}

function referenceSpec({ key, title, height }, view, run) {
  const { task, step } = view.state;
  const end = lastStep(run);
  const steps = run.evaluations.step;
  const others = Object.keys(run.tasks).filter((name) => name !== task);
  const line = (name, kind) => ({
    name: words(name),
    kind,
    dots: kind === "chosen" && steps.length <= MANY,
    points: steps.map((at, i) => [at, run.tasks[name][key][i]]),
  });
  const lines = [...others.map((name) => line(name, "other")), line(task, "chosen")];
  const { chance_loss } = run.tasks[task];
  const high =
    key === "loss"
      ? Math.max(
          limits(
            lines.flatMap(({ points }) => points),
            end,
          )[1],
          1.1 * (chance_loss ?? 0),
        )
      : 1;
  return {
    label: `${title}: ${words(task)} and ${others.length} other tasks`,
    height,
    x: stepAxis(end),
    y: {
      min: 0,
      max: high,
      ticks: key === "loss" ? ticksBetween(0, high, 4) : [0, 0.5, 1],
      text: key === "loss" ? (value) => `${value}` : (value) => percent(value),
    },
    lines,
    rules: key === "loss" && chance_loss !== null ? [{ y: chance_loss, kind: "half" }] : [],
    cursor: step,
    onpoint: follow(view),
  };
}

/** The tasks with their numbers at the view's step; a button in each row chooses it. */
function taskTable(view, run, names) {
  const buttons = names.map((name) =>
    h("button", { type: "button", onclick: () => view.set({ task: name }) }, words(name)),
  );
  const loss = names.map(() => h("span"));
  const right = names.map(() => h("span"));
  const since = names.map((name) => run.tasks[name].since);
  const whole = table(
    "Tasks of references at the chosen step; a button highlights one",
    ["task", ["loss", { class: "number" }], ["right", { class: "number" }], "below guessing from"],
    names.map((_, i) => [
      buttons[i],
      [loss[i], { class: "number" }],
      [right[i], { class: "number" }],
      since[i] === null ? "not yet" : `step ${thousands(since[i])}`,
    ]),
  );
  whole.classList.add("tasks");
  view.watch(({ task, step }, changed) => {
    if (!changed("task", "step")) return;
    const i = latest(run.evaluations.step, step);
    names.forEach((name, k) => {
      const numbers = run.tasks[name];
      loss[k].textContent = numbers.loss[i] === null ? "–" : numbers.loss[i].toFixed(3);
      right[k].textContent = numbers.accuracy[i] === null ? "–" : percent(numbers.accuracy[i]);
      buttons[k].setAttribute("aria-pressed", name === task);
      buttons[k].closest("tr").classList.toggle("on", name === task);
    });
  });
  return whole;
}

function describeReference(task, step, run) {
  const i = latest(run.evaluations.step, step);
  const { loss, accuracy, chance_loss, since } = run.tasks[task];
  const when = `step ${thousands(run.evaluations.step[i])}, ${words(task)}`;
  if (loss[i] === null || accuracy[i] === null) return `${when}: not measured`;
  const known = chance_loss === null ? "" : ` (guessing: ${chance_loss.toFixed(2)})`;
  const resolved = since === null ? "not below guessing yet" : `below guessing from step ${thousands(since)} on`;
  return `${when}: loss ${loss[i].toFixed(3)}${known}, right ${percent(accuracy[i])}; ${resolved}`;
}

/** What was measured at the end of training, on stories that are harder than any in training. */
function generalisationSection({ generalisation }) {
  const shown = { loss: (value) => value.toFixed(3), chance: (value) => value.toFixed(2) };
  const cell = (value, column) => (value === null ? "–" : (shown[column] ?? ((share) => percent(share, 1)))(value));
  const rows = Object.entries(generalisation.tasks).map(([name, values]) => [
    words(name),
    ...values.map((value, i) => [cell(value, generalisation.columns[i]), { class: "number" }]),
  ]);
  return section(
    "generalisation",
    "Harder than in training",
    "Measured with the last weights, on stories that were never used before. Right, loss and chance (the loss of a guess): stories as in training, about other people and things. New templates: an opening or ending that training does not have. Longer gaps: more sentences in between. Unseen names: names and made-up words that occur nowhere in training. New role: words that occur in training, but never as candidates.",
    table(
      "Held-out stories and generalisation",
      ["task", ...generalisation.columns.map((name) => [name, { class: "number" }])],
      rows,
    ),
  );
}
