/* Training dynamics: when the references of a run were resolved, and when the heads that resolve them formed. */

const PANELS = [
  { key: "model_accuracy", title: "the model's answer is right", share: true },
  { key: "choice_accuracy", title: "the head picks what is meant", share: true },
  { key: "resample_ablation_drop", title: "cost of resample ablation, nats", share: false },
];

const SNAPSHOTS =
  "The heads chosen at the end, measured at the snapshots of the run, against tokens seen (logarithmic). Thick: the chosen task; thin: the others.";

/** `moments` as in heads.json; the section highlights the view's task and has a slider over the moments. */
function dynamicsSection(view, moments, without, explanation = SNAPSHOTS) {
  if (moments.length < 2) return section("dynamics", "When the heads formed", without);
  const last = moments.length - 1;
  const panels = PANELS.map((panel) => ({ ...panel, chart: chart(dynamicsSpec(panel, moments, view)) }));
  const range = h("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "step of training" });
  const play = h("button", { type: "button" }, "Play");
  const status = h("p", { class: "status", "aria-live": "polite" });
  const slider = new View({ at: last });
  range.addEventListener("input", () => slider.set({ at: +range.value }));
  playback(play, slider, last, status);
  const draw = () => {
    const { at } = slider.state;
    range.value = at;
    status.textContent = describeMoment(moments[at], view.state.task);
    range.setAttribute("aria-valuetext", status.textContent);
    for (const panel of panels)
      panel.chart.draw({
        ...dynamicsSpec(panel, moments, view),
        cursor: moments[at].tokens,
        onpoint: moveTo,
      });
  };
  const moveTo = (tokens) =>
    tokens !== null && slider.set({ at: moments.findIndex((moment) => moment.tokens === tokens) });
  view.watch((state, changed) => changed("task") && draw());
  slider.watch(draw);
  return section(
    "dynamics",
    "When the heads formed",
    explanation,
    h(
      "div",
      { class: "panels" },
      panels.map(({ title, chart: { node } }) => h("figure", {}, h("figcaption", {}, title), node)),
    ),
    h("div", { class: "controls dynamics" }, play, range),
    status,
  );
}

function dynamicsSpec({ key, title, share }, moments, view) {
  const { task } = view.state;
  const names = Object.keys(moments.at(-1).tasks).filter((name) => name !== task);
  const line = (name, kind) => ({
    name: words(name),
    kind,
    dots: kind === "chosen" && moments.length <= MANY,
    points: moments
      .filter(({ tasks }) => lookup(tasks, name))
      .map(({ tokens: at, tasks }) => [at, tasks[name][key]]),
  });
  const lines = [
    ...names.map((name) => line(name, "other")),
    ...(lookup(moments.at(-1).tasks, task) ? [line(task, "chosen")] : []),
  ];
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter((value) => value !== null);
  const high = share ? 1 : 1.06 * Math.max(1, ...values);
  const low = share || Math.min(...values) > -0.02 * high ? 0 : Math.min(...values);
  const floor = moments[1].tokens / 2; // where the beginning, 0 tokens, stands on a logarithmic axis
  const tokens = (value) => Math.log10(Math.max(value, floor));
  const end = moments.at(-1).tokens;
  const ticks = Array.from({ length: 16 }, (_, i) => 10 ** i).filter((tick) => tick > floor && tick <= end);
  return {
    label: `${title}, ${words(task)} and ${names.length} other tasks`,
    height: 220,
    x: { min: floor, max: end, map: tokens, ticks: [[floor, "0"], ...ticks.map((tick) => [tick, compact(tick)])] },
    y: {
      min: low,
      max: high,
      ticks: share ? [0, 0.5, 1] : ticksBetween(low, high),
      text: (value) => (share ? percent(value) : `${value}`),
    },
    lines,
  };
}

function describeMoment({ step, tokens, tasks }, task) {
  const measured = lookup(tasks, task);
  const when = `step ${thousands(step)}, ${compact(tokens)} tokens`;
  if (!measured) return `${when}: ${words(task)} was not measured`;
  return `${when}, ${words(task)}: right ${percent(measured.model_accuracy)}; head ${measured.head} picks what is meant in ${percent(measured.choice_accuracy)}, with ${measured.mass.toFixed(2)} of its attention; its resample ablation costs ${measured.resample_ablation_drop.toFixed(1)} nats`;
}

/** Moves the slider on; `quiet` says nothing to a screen reader meanwhile. */
function playback(button, slider, last, quiet) {
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    quiet.setAttribute("aria-live", "polite");
    button.textContent = "Play";
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    button.textContent = "Stop";
    quiet.setAttribute("aria-live", "off"); // a screen reader cannot follow
    if (slider.state.at === last) slider.set({ at: 0 });
    timer = setInterval(() => (slider.state.at < last ? slider.set({ at: slider.state.at + 1 }) : stop()), 250);
  });
}
