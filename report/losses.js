/* The loss of a run: of one batch after another while training, and of all validation text at evaluations. */

const MEASURES = {
  val_loss: { name: "nats per token", text: ({ val_loss }) => `${digits(val_loss)} nats per token` },
  val_bpb: { name: "bits per byte", text: ({ val_bpb }) => `${digits(val_bpb)} bits per byte` },
};
const PARTS = [
  ["1", "all steps"],
  ["0.5", "the last half"],
  ["0.1", "the last tenth"],
];

/** Those that a run has: tokens that stand for no text have no bytes. */
const measuresOf = ({ evaluations }) => Object.entries(MEASURES).filter(([key]) => key in evaluations);

const digits = (value) => (value === null ? "not finite" : value.toFixed(4));

/** The last entry of ascending `steps` that is at most `step`. */
const latest = (steps, step) =>
  Math.max(
    0,
    steps.findLastIndex((other) => other <= step),
  );

/** Row i of columns, as an object. */
const rowOf = (columns, i) => Object.fromEntries(Object.entries(columns).map(([key, values]) => [key, values[i]]));

const duration = (seconds) => (seconds >= 120 ? `${(seconds / 60).toFixed(1)} minutes` : `${seconds.toFixed(0)} seconds`);

/** What a chart does with the step that is pointed at: all sections follow it. */
const follow = (view) => (step) => step !== null && view.set({ step });

/** A range over some steps of the run, which shows and sets the view's step; `text(i)`: what it says of the i-th. */
function stepSlider(view, steps, label, text) {
  const range = h("input", {
    type: "range",
    min: 0,
    max: steps.length - 1,
    step: 1,
    "aria-label": label,
    disabled: steps.length < 2,
  });
  range.addEventListener("input", () => view.set({ step: steps[+range.value] }));
  view.watch(({ step }, changed) => {
    if (!changed("step")) return;
    range.value = latest(steps, step);
    range.setAttribute("aria-valuetext", text(latest(steps, step)));
  });
  return h("div", { class: "slider wide" }, range);
}

/** The horizontal axis: steps, from where the reader wants to look. */
function stepAxis(end, part = 1) {
  const min = end * (1 - part);
  const max = Math.max(end, 1);
  return { min, max, ticks: ticksBetween(min, max, 6).map((tick) => [tick, thousands(tick)]) };
}

/** Limits for values at steps that leave out the first twentieth of the run, whose heights would flatten the rest. */
function limits(points, end) {
  const late = points.filter(([step]) => step >= end / 20);
  const values = (late.length ? late : points).map(([, value]) => value).filter((value) => value !== null);
  const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const margin = 0.06 * (high - low || 1);
  return [Math.max(0, low - margin), high + margin];
}

function lossSection(view, run) {
  const { evaluations } = run;
  const picture = chart(lossSpec(view, run));
  const status = h("p", { class: "status" });
  const key = h("p", { class: "key" });
  const [measure] = chooser(
    "Measured in",
    measuresOf(run).map(([value, { name }]) => [value, name]),
    (value) => view.set({ measure: value }),
  );
  const [part] = chooser("Shown", PARTS, (value) => view.set({ part: +value }));
  const slider = stepSlider(view, evaluations.step, "evaluation", (i) => describeStep(evaluations.step[i], run));
  view.watch(({ step }, changed) => {
    if (!changed("step", "measure", "part")) return;
    picture.draw(lossSpec(view, run));
    key.replaceChildren(...lossKey(view, run));
    status.textContent = describeStep(step, run);
  });
  return section(
    "loss",
    "Loss",
    "How surprised the model is by the next token. A training batch is small, so its loss is noisy. The validation text is never trained on, and all of it is measured. Point at a step to see it in all sections.",
    h("div", { class: "controls" }, measuresOf(run).length > 1 && measure, part, key),
    picture.node,
    slider,
    status,
    evaluationsTable(run),
  );
}

/** The class of the line of the i-th corpus of a mixture; there are five colours. */
const partLine = (i) => `line named named-${i % 5}`;

function lossKey(view, run) {
  const entries = [keyEntry("line chosen", "validation, all of it")];
  if (view.state.measure === "val_loss") entries.unshift(keyEntry("line second", "training, one batch"));
  entries.push(...Object.keys(run.parts).map((name, i) => keyEntry(partLine(i), `validation on ${name}`)));
  if (run.best !== null) entries.push(keyEntry("mark", `the lowest, at step ${thousands(run.best)}`));
  return entries;
}

function lossSpec(view, run) {
  const { measure, part, step } = view.state;
  const { evaluations } = run;
  const end = lastStep(run);
  const x = stepAxis(end, part);
  const visible = (points) => points.filter(([at]) => at >= x.min);
  const whole = visible(evaluations.step.map((at, i) => [at, evaluations[measure][i]]));
  const batches = measure === "val_loss" ? visible(run.train) : []; // of one batch nobody knows the bytes
  const parts = Object.entries(run.parts).map(([name, losses], i) => ({
    name: `validation on ${name}`,
    kind: partLine(i).replace("line ", ""),
    points: visible(evaluations.step.map((at, k) => [at, losses[measure][k]])),
  }));
  const [low, high] = limits([...whole, ...batches, ...parts.flatMap(({ points }) => points)], end);
  const best = evaluations.step.indexOf(run.best);
  return {
    label: `Loss in ${MEASURES[measure].name} against steps, training and validation`,
    height: 320,
    x,
    y: { min: low, max: high, ticks: ticksBetween(low, high, 5), text: (value) => `${value}` },
    lines: [
      { name: "training, one batch", kind: "second", points: batches },
      ...parts,
      { name: "validation, all of it", kind: "chosen", dots: whole.length <= MANY, points: whole },
    ],
    marks:
      run.best !== null && run.best >= x.min
        ? [{ x: run.best, y: evaluations[measure][best], text: `the lowest, at step ${thousands(run.best)}` }]
        : [],
    cursor: step >= x.min ? step : null,
    onpoint: follow(view),
  };
}

const lastStep = ({ evaluations, train }) => Math.max(evaluations.step.at(-1), train.at(-1)?.[0] ?? 0);

/** All that is known of a step: its batch, and the latest evaluation by then. */
function describeStep(step, run) {
  const at = latest(run.evaluations.step, step);
  const evaluation = rowOf(run.evaluations, at);
  const batch = run.train.findLast(([known]) => known <= step);
  const time = evaluation.seconds ? `, ${duration(evaluation.seconds)}` : "";
  const text = measuresOf(run)
    .map(([, measure]) => measure.text(evaluation))
    .join(", ");
  const parts = Object.entries(run.parts).map(([name, losses]) => `${name} ${digits(rowOf(losses, at).val_loss)}`);
  const ofParts = parts.length ? ` (${parts.join(", ")})` : "";
  const lowest = evaluation.step === run.best ? ", the lowest" : "";
  const trained = batch ? `; training ${digits(batch[1])} at step ${thousands(batch[0])}` : "";
  return `step ${thousands(evaluation.step)} (${compact(evaluation.tokens)} tokens${time}): validation ${text}${ofParts}${lowest}${trained}`;
}

function evaluationsTable({ evaluations, parts }) {
  const known = (value, text) => (value === null ? "–" : text(value));
  const rows = evaluations.step.map((step, i) => {
    const row = rowOf(evaluations, i);
    return [
      thousands(step),
      thousands(row.tokens),
      known(row.seconds, duration),
      known(row.train_loss, digits),
      ...measuresOf({ evaluations }).map(([key]) => digits(row[key])),
      known(row.tokens_per_second, thousands),
      ...Object.values(parts).map((losses) => digits(rowOf(losses, i).val_loss)),
    ];
  });
  const columns = [
    "step",
    "tokens",
    "time",
    "training, nats per token",
    ...measuresOf({ evaluations }).map(([, { name }]) => `validation, ${name}`),
    "tokens a second",
    ...Object.keys(parts).map((name) => `validation on ${name}, nats per token`),
  ];
  return h("details", {}, h("summary", {}, "Every evaluation as a table"), table("Every evaluation", columns, rows));
}
