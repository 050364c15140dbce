/* Training dynamics: when the references of a run were resolved, and when the heads that resolve them formed. */

const PANELS = [
  { key: "model_accuracy", title: "the model's answer is right", share: true },
  { key: "choice_accuracy", title: "the head picks what is meant", share: true },
  { key: "resample_ablation_drop", title: "cost of resample ablation, nats", share: false },
];

const SNAPSHOTS =
  "The heads chosen at the end, measured at the snapshots of the run, against tokens seen (logarithmic). Thick: the chosen task; thin: the others.";

/**
 * `moments` as in heads.json; the section highlights the view's task and has a slider over the moments. `whyNot(task)`:
 * why no head is interpreted there, or "".
 */
function dynamicsSection(view, moments, without, explanation = SNAPSHOTS, whyNot = () => "") {
  if (moments.length < 2) return section("dynamics", "When the heads formed", without);
  const panels = PANELS.map((panel) => [panel.title, () => dynamicsSpec(panel, moments, view)]);
  const [draw, ...nodes] = momentCharts(moments, "tokens", panels, (moment) =>
    describeMoment(moment, view.state.task, whyNot(view.state.task)),
  );
  view.watch((state, changed) => changed("task") && draw());
  return section("dynamics", "When the heads formed", explanation, nodes);
}

/**
 * Charts beside each other over moments of training, a slider over these, and a sentence about the slider's moment:
 * [draw, charts, controls, status]. `panels` are [title, spec]; `describe(moment)` is a sentence; both are asked anew by
 * `draw()` and when the slider moves. `key`: what moments have along the axis, "tokens" or "step".
 */
function momentCharts(moments, key, panels, describe) {
  const last = moments.length - 1;
  const charts = panels.map(([, spec]) => chart(spec()));
  const range = h("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "step of training" });
  const play = h("button", { type: "button" }, "Play");
  const status = h("p", { class: "status", "aria-live": "polite" });
  const slider = new View({ at: last });
  range.addEventListener("input", () => slider.set({ at: +range.value }));
  playback(play, slider, last, status);
  const moveTo = (value) => value !== null && slider.set({ at: moments.findIndex((moment) => moment[key] === value) });
  const draw = () => {
    const { at } = slider.state;
    range.value = at;
    status.textContent = describe(moments[at]);
    range.setAttribute("aria-valuetext", status.textContent);
    charts.forEach((one, i) => one.draw({ ...panels[i][1](), cursor: moments[at][key], onpoint: moveTo }));
  };
  slider.watch(draw);
  return [
    draw,
    h(
      "div",
      { class: "panels", "--panels": panels.length },
      panels.map(([title], i) => h("figure", {}, h("figcaption", {}, title), charts[i].node)),
    ),
    h("div", { class: "controls dynamics" }, play, range),
    status,
  ];
}

/** A logarithmic axis of moments, on which 0, if the first is at 0, stands at half of what comes after it. */
function momentAxis(moments, key) {
  const first = moments[0][key];
  const floor = first || moments[1][key] / 2;
  const end = moments.at(-1)[key];
  const steps = end / floor < 100 ? [1, 2, 5] : [1];
  const ticks = Array.from({ length: 16 }, (_, i) => steps.map((step) => step * 10 ** i)).flat();
  const shown = ticks.filter((tick) => (tick > floor || tick === first) && tick <= end);
  return {
    min: floor,
    max: end,
    map: (value) => Math.log10(Math.max(value, floor)),
    ticks: [...(first ? [] : [[floor, "0"]]), ...shown.map((tick) => [tick, compact(tick)])],
  };
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
  const [low, high] = share ? [0, 1] : fromZero(lines, 1);
  return {
    label: `${title}, ${words(task)} and ${names.length} other tasks`,
    height: 220,
    x: momentAxis(moments, "tokens"),
    y: {
      min: low,
      max: high,
      ticks: share ? [0, 0.5, 1] : ticksBetween(low, high),
      text: (value) => (share ? percent(value) : `${value}`),
    },
    lines,
  };
}

/** Limits for nats: from 0, or from below where a line clearly goes there, to at least `least`. */
function fromZero(lines, least) {
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter((value) => value !== null);
  const high = 1.06 * Math.max(least, ...values);
  const low = Math.min(0, ...values);
  return [low > -0.02 * high ? 0 : low, high];
}

function describeMoment({ step, tokens, tasks }, task, whyNot) {
  const measured = lookup(tasks, task);
  const when = `step ${thousands(step)}, ${compact(tokens)} tokens`;
  if (!measured || measured.resample_ablation_drop === null) return `${when}: ${words(task)} was not measured`;
  const right = `${when}, ${words(task)}: right ${percent(measured.model_accuracy)}`;
  if (whyNot) return `${right}. ${whyNot}`;
  return `${right}; head ${measured.head} picks what is meant in ${percent(measured.choice_accuracy)}, with ${measured.mass.toFixed(2)} of its attention; its resample ablation costs ${measured.resample_ablation_drop.toFixed(1)} nats`;
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
