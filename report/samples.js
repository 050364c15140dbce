/* What the model wrote at evaluations, as text and never as markup. */

function samplesSection(view, { samples }) {
  const steps = samples.map(({ step }) => step);
  const status = h("p", { class: "status" });
  const text = h("pre", { class: "sample", dir: "auto", tabindex: 0, role: "region", "aria-label": "what the model wrote" });
  const slider = stepSlider(view, steps, "sample", (i) => describeSample(samples[i]));
  view.watch(({ step }, changed) => {
    if (!changed("step")) return;
    const sample = samples[latest(steps, step)];
    status.textContent = describeSample(sample);
    text.textContent = sample.text;
    text.scrollTop = 0;
  });
  return section(
    "samples",
    "What it writes",
    "The beginning of a new document, sampled at each evaluation, always with the same random numbers.",
    slider,
    status,
    text,
  );
}

function describeSample({ step, text, length }) {
  const shown = [...text].length; // `length` counts characters, not halves of surrogate pairs
  const cut = length > shown ? `; the first ${thousands(shown)} of ${thousands(length)} characters` : "";
  return `step ${thousands(step)}${cut}`;
}
