/* probe/report.html: everything that probe.py measured. */

const NOT_MEASURED =
  "Not measured yet: python probe.py run=... dynamics=true measures the snapshots of the run.";

async function drawProbe() {
  const [heads, page] = await Promise.all([unpackJson("heads.json"), unpackJson("page.json")]);
  const names = heads.all_roles.flatMap((layer, l) => layer.map((_, k) => `${l}.${k}`));
  const found = { heads, page, names, text: heads.text };
  if (page.text?.leads)
    heads.tasks = Object.fromEntries(Object.entries(heads.tasks).filter(([, { resolved }]) => resolved));
  const task = page.first ?? Object.keys(heads.tasks)[0];
  const example =
    page.examples.find((other) => page.text?.leads && other.task === null) ??
    page.examples.find((other) => other.task === task);
  const best = heads.tasks[task]?.best;
  const view = new View({
    task,
    head: (page.text?.leads && page.text.head) || (best?.head ?? names[0]),
    example,
    site: best?.site ?? example?.texts[0].sites.at(-1).name,
    pinned: null,
    hovered: null,
    scheme: 0,
  });
  keepTogether(view, found);
  const live = page.live === "here" ? await liveSection(view) : page.live && linkToLive(page.live);
  const ofText = found.text ? textSections(view, found) : [];
  const ofTasks = taskSections(view, found, task, example);
  const sections = page.text?.leads ? [...ofText, ...ofTasks] : [...ofTasks, ...ofText];
  sections.push(task || !found.text ? numbersSection(view, found) : filesSection());
  sections.push(methodSection(found));
  if (live) sections.unshift(live);
  showSections(...sections);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    view.set({ scheme: view.state.scheme + 1 }),
  );
}

function taskSections(view, found, task, example) {
  const { dynamics, tasks, sentences } = found.heads;
  const sections = sentences.length ? [sentencesSection(found.heads)] : [];
  if (task || !found.text) sections.push(rolesSection(view, found));
  if (example) sections.push(storySection(view, found));
  if (task) sections.push(sitesSection(view, found));
  if (Object.values(tasks).some(({ sufficient }) => sufficient)) sections.push(sufficientSection(view, found));
  if (Object.values(tasks).some(({ edges }) => edges)) sections.push(edgesSection(view, found));
  if (Object.values(tasks).some(({ score_parts: parts }) => parts)) sections.push(scoresSection(view, found));
  const whyNot = (name) => (tasks[name].resolved ? "" : NOT_INTERPRETED);
  if (task) sections.push(dynamicsSection(view, dynamics, NOT_MEASURED, undefined, whyNot));
  return sections;
}

function textSections(view, found) {
  const sections = [textHeadsSection(view, found), textEffectsSection(view, found), ...costSections(view, found)];
  if (found.text.how_far_back) sections.push(reachSection(found));
  return [...sections, textExamplesSection(view, found)];
}

/** What heads cost in the course of training; how to measure it, where the text comes first. */
function costSections(view, { text, page }) {
  const { dynamics = [], heads } = text;
  if (dynamics.length < 2)
    return page.text.leads ? [section("text-dynamics", BEGAN_TO_MATTER, NOT_MEASURED)] : [];
  const cost = ({ roles }) => Math.max(0, ...roles.map(({ nats: lost }) => lost ?? 0));
  const strongest = heads.filter((head) => cost(head) > 0).toSorted((one, other) => cost(other) - cost(one));
  const what = whatHeadsCost("the heads with a role and those that cost most at the end", "Measured at the snapshots of the run");
  return [textDynamicsSection(view, dynamics, page.text.kinds, strongest.map(({ head }) => head), what)];
}

/** Another task brings its own text and site; another text brings its own sites. */
function keepTogether(view, { heads, page }) {
  view.watch(({ task, example, site }, changed) => {
    if (!example) return;
    const heldOut = example.task === null;
    if (changed("task") && example.task !== task && !(heldOut && changed("example"))) {
      const own = page.examples.find((other) => other.task === task);
      if (own) view.set({ example: own, site: heads.tasks[task].best.site, pinned: null, hovered: null });
    } else if (changed("example") && !example.texts[0].sites.some(({ name }) => name === site)) {
      view.set({ site: heldOut ? example.texts[0].sites.at(-1).name : heads.tasks[example.task].best.site });
    }
  });
}

sayWhyNot(drawProbe());
