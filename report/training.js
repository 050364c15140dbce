/* report.html of a run: what metrics.jsonl says, during training and afterwards. */

const LIVE =
  "Quick probes of every task during training, against tokens seen (logarithmic). The head is the one that was best at that moment. Thick: the chosen task; thin: the others.";
const NO_DYNAMICS =
  "Not measured yet: python train.py ... probe_every=250 probes the heads during training; python probe.py run=... dynamics=true measures the snapshots of a run.";

async function drawTraining() {
  const run = await unpackJson("page.json");
  const names = Object.keys(run.tasks);
  const slowest = names.toSorted((a, b) => (run.tasks[b].since ?? Infinity) - (run.tasks[a].since ?? Infinity));
  const ofText = run.dynamics.text;
  const [head] = ofText.moments.length > 1 ? namedHeads(ofText.moments, []) : [];
  const view = new View({ step: run.evaluations.step.at(-1), task: slowest[0], head, measure: "val_loss", part: 1 });
  const sections = [run.live && linkToLive(run.live), lossSection(view, run)].filter(Boolean);
  if (names.length) sections.push(referencesSection(view, run));
  if (run.samples.length) sections.push(samplesSection(view, run));
  if (names.length) sections.push(dynamicsSection(view, run.dynamics.moments, NO_DYNAMICS, run.dynamics.live ? LIVE : undefined));
  if (head) sections.push(textDynamicsSection(view, ofText.moments, ofText.kinds, [], describeCosts(ofText)));
  if (Object.keys(run.generalisation.tasks).length) sections.push(generalisationSection(run));
  sections.push(settingsSection(run));
  showSections(...sections);
}

function describeCosts({ live, file }) {
  const where = file ? `in ${file}` : "in validation text";
  return whatHeadsCost(
    "those that cost most at the end",
    `${live ? "Quick probes during training" : "Measured at the snapshots of the run"}, ${where}`,
  );
}

function settingsSection({ config }) {
  return section(
    "settings",
    "Settings",
    "The configuration of this run. metrics.jsonl, in the same folder as this page, has every number.",
    h("details", {}, h("summary", {}, "config.yaml"), h("pre", { class: "config" }, config)),
  );
}

sayWhyNot(drawTraining());
