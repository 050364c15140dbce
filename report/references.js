/* When references were resolved: the loss that only the referent can lower, family by family. */

const REFERENCES = [
  { key: "loss", title: "loss on the answer, nats", height: 230 },
  { key: "accuracy", title: "the answer is the likeliest of all tokens", height: 170 },
];

function referencesSection(view, run) {
  const names = Object.keys(run.families);
  const panels = REFERENCES.map((panel) => ({ ...panel, chart: chart(referenceSpec(panel, view, run)) }));
  const key = h("p", { class: "key" });
  const status = h("p", { class: "status", "aria-live": "polite" });
  view.watch(({ family, step }, changed) => {
    if (!changed("family", "step")) return;
    for (const panel of panels) panel.chart.draw(referenceSpec(panel, view, run));
    key.replaceChildren(
      keyEntry("line chosen", words(family)),
      keyEntry("line", "other families"),
      keyEntry("rule half", `guessing between the candidates`),
    );
    status.textContent = describeReference(family, step, run);
  });
  return section(
    "references",
    "References",
    "The loss on the one word that only the referent decides, in stories kept for this. Guessing between two candidates costs ln 2 = 0.69 nats on average: a loss that stays below that is of a model that uses references. How surely, and by which heads, is for probe.py to say.",
    h(
      "div",
      { class: "columns references" },
      familyTable(view, run, names),
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
  const { family, step } = view.state;
  const end = lastStep(run);
  const steps = run.evaluations.step;
  const others = Object.keys(run.families).filter((name) => name !== family);
  const line = (name, kind) => ({
    name: words(name),
    kind,
    dots: kind === "chosen" && steps.length <= MANY,
    points: steps.map((at, i) => [at, run.families[name][key][i]]),
  });
  const lines = [...others.map((name) => line(name, "other")), line(family, "chosen")];
  const { worth } = run.families[family];
  const high =
    key === "loss"
      ? Math.max(
          limits(
            lines.flatMap(({ points }) => points),
            end,
          )[1],
          1.1 * (worth ?? 0),
        )
      : 1;
  return {
    label: `${title}: ${words(family)} and ${others.length} other families`,
    height,
    x: stepAxis(end),
    y: {
      min: 0,
      max: high,
      ticks: key === "loss" ? ticksBetween(0, high, 4) : [0, 0.5, 1],
      text: key === "loss" ? (value) => `${value}` : (value) => percent(value),
    },
    lines,
    rules: key === "loss" && worth !== null ? [{ y: worth, kind: "half" }] : [],
    cursor: step,
    onpoint: follow(view),
  };
}

/** The families with their numbers at the view's step; a button in each row chooses it. */
function familyTable(view, run, names) {
  const buttons = names.map((name) =>
    h("button", { type: "button", onclick: () => view.set({ family: name }) }, words(name)),
  );
  const loss = names.map(() => h("span"));
  const right = names.map(() => h("span"));
  const since = names.map((name) => run.families[name].since);
  const whole = table(
    "Families of references at the chosen step; a button highlights one",
    ["family", ["loss", { class: "number" }], ["right", { class: "number" }], "below guessing from"],
    names.map((_, i) => [
      buttons[i],
      [loss[i], { class: "number" }],
      [right[i], { class: "number" }],
      since[i] === null ? "not yet" : `step ${thousands(since[i])}`,
    ]),
  );
  whole.classList.add("families");
  view.watch(({ family, step }, changed) => {
    if (!changed("family", "step")) return;
    const i = latest(run.evaluations.step, step);
    names.forEach((name, k) => {
      const numbers = run.families[name];
      loss[k].textContent = numbers.loss[i] === null ? "–" : numbers.loss[i].toFixed(3);
      right[k].textContent = numbers.accuracy[i] === null ? "–" : percent(numbers.accuracy[i]);
      buttons[k].setAttribute("aria-pressed", name === family);
      buttons[k].closest("tr").classList.toggle("on", name === family);
    });
  });
  return whole;
}

function describeReference(family, step, run) {
  const i = latest(run.evaluations.step, step);
  const { loss, accuracy, worth, since } = run.families[family];
  const when = `step ${thousands(run.evaluations.step[i])}, ${words(family)}`;
  if (loss[i] === null || accuracy[i] === null) return `${when}: was not measured`;
  const known = worth === null ? "" : ` (guessing: ${worth.toFixed(2)})`;
  const resolved = since === null ? "not below guessing yet" : `below guessing from step ${thousands(since)} on`;
  return `${when}: loss ${loss[i].toFixed(3)}${known}, right ${percent(accuracy[i])}; ${resolved}`;
}

/** What the end of training measured where stories are harder than any in training. */
function stressSection({ stress }) {
  const shown = { loss: (value) => value.toFixed(3), worth: (value) => value.toFixed(2) };
  const cell = (value, column) => (value === null ? "–" : (shown[column] ?? ((share) => percent(share, 1)))(value));
  const rows = Object.entries(stress.families).map(([name, values]) => [
    words(name),
    ...values.map((value, i) => [cell(value, stress.columns[i]), { class: "number" }]),
  ]);
  return section(
    "stress",
    "Harder than in training",
    "Measured with the last weights, on stories that were never used before. Right, loss and worth: stories as in training, of other people and things. The rest: openings and endings never seen; more sentences in between than ever seen; words that were never candidates; and for these, whether the answer is at least likelier than the other candidate.",
    table(
      "Held-out stories and stress",
      ["family", ...stress.columns.map((name) => [name, { class: "number" }])],
      rows,
    ),
  );
}
