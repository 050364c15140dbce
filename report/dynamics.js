/* The film of a run: when its references were resolved, and when the heads that resolve them formed. */

const PANELS = [
  { key: "model_accuracy", title: "the model's answer is right", share: true },
  { key: "choice_accuracy", title: "the head picks what is meant", share: true },
  { key: "resample_drop", title: "cost of another case's head output, nats", share: false },
];

const SNAPSHOTS =
  "The same heads at the snapshots of the run, against tokens seen (logarithmic). Thick: the chosen family; thin: the others.";

/** `frames` as in heads.json; the section highlights the view's family and has a slider over the frames. */
function filmSection(view, frames, without, explanation = SNAPSHOTS) {
  if (frames.length < 2) return section("film", "When the heads formed", without);
  const last = frames.length - 1;
  const panels = PANELS.map((panel) => ({ ...panel, chart: chart(filmSpec(panel, frames, view)) }));
  const range = h("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "moment of the film" });
  const play = h("button", { type: "button" }, "Play");
  const status = h("p", { class: "status", "aria-live": "polite" });
  const film = new View({ frame: last });
  range.addEventListener("input", () => film.set({ frame: +range.value }));
  playback(play, film, last, status);
  const draw = () => {
    const { frame } = film.state;
    range.value = frame;
    status.textContent = describeFrame(frames[frame], view.state.family);
    range.setAttribute("aria-valuetext", status.textContent);
    for (const panel of panels)
      panel.chart.draw({
        ...filmSpec(panel, frames, view),
        cursor: frames[frame].tokens,
        onpoint: moveTo,
      });
  };
  const moveTo = (tokens) =>
    tokens !== null && film.set({ frame: frames.findIndex((frame) => frame.tokens === tokens) });
  view.watch((state, changed) => changed("family") && draw());
  film.watch(draw);
  return section(
    "film",
    "When the heads formed",
    explanation,
    h(
      "div",
      { class: "panels" },
      panels.map(({ title, chart: { node } }) => h("figure", {}, h("figcaption", {}, title), node)),
    ),
    h("div", { class: "controls film" }, play, range),
    status,
  );
}

function filmSpec({ key, title, share }, frames, view) {
  const { family } = view.state;
  const names = Object.keys(frames.at(-1).families).filter((name) => name !== family);
  const line = (name, kind) => ({
    name: words(name),
    kind,
    dots: kind === "chosen" && frames.length <= MANY,
    points: frames
      .filter(({ families }) => lookup(families, name))
      .map(({ tokens: at, families }) => [at, families[name][key]]),
  });
  const lines = [
    ...names.map((name) => line(name, "other")),
    ...(lookup(frames.at(-1).families, family) ? [line(family, "chosen")] : []),
  ];
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter((value) => value !== null);
  const high = share ? 1 : 1.06 * Math.max(1, ...values);
  const low = share || Math.min(...values) > -0.02 * high ? 0 : Math.min(...values);
  const floor = frames[1].tokens / 2; // where the beginning, 0 tokens, stands on a logarithmic axis
  const tokens = (value) => Math.log10(Math.max(value, floor));
  const end = frames.at(-1).tokens;
  const ticks = Array.from({ length: 16 }, (_, i) => 10 ** i).filter((tick) => tick > floor && tick <= end);
  return {
    label: `${title}, ${words(family)} and ${names.length} other families`,
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

function describeFrame({ step, tokens, families }, family) {
  const look = lookup(families, family);
  const when = `step ${thousands(step)}, ${compact(tokens)} tokens`;
  if (!look) return `${when}: nothing was seen of ${words(family)}`;
  return `${when}, ${words(family)}: right ${percent(look.model_accuracy)}, head ${look.head} picks what is meant in ${percent(look.choice_accuracy)} with ${look.mass.toFixed(2)} of its attention, resampling it costs ${look.resample_drop.toFixed(1)} nats`;
}

/** Plays the film; `quiet` says nothing to a screen reader meanwhile. */
function playback(button, film, last, quiet) {
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
    if (film.state.frame === last) film.set({ frame: 0 });
    timer = setInterval(() => (film.state.frame < last ? film.set({ frame: film.state.frame + 1 }) : stop()), 250);
  });
}
