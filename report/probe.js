/* probe/report.html: everything that probe.py found. */

async function drawProbe() {
  const [heads, page] = await Promise.all([unpackJson("heads.json"), unpackJson("page.json")]);
  const names = heads.all_roles.flatMap((layer, l) => layer.map((_, k) => `${l}.${k}`));
  const found = { heads, page, names };
  const task = page.first ?? Object.keys(heads.tasks)[0];
  const example =
    page.examples.find((other) => other.task === null) ?? page.examples.find((other) => other.task === task);
  const best = heads.tasks[task]?.best;
  const view = new View({
    task,
    head: best?.head ?? names[0],
    example,
    site: best?.site ?? example?.texts[0].sites.at(-1).name,
    pinned: null,
    hovered: null,
    scheme: 0,
  });
  keepTogether(view, found);
  const sections = [rolesSection(view, found)];
  if (example) sections.push(storySection(view, found));
  if (task) sections.push(sitesSection(view, found));
  sections.push(
    dynamicsSection(view, heads.dynamics, "Not measured yet: python probe.py run=... dynamics=true looks at the snapshots of the run."),
  );
  sections.push(numbersSection(view, found));
  sections.push(methodSection(found));
  document.getElementById("page").replaceChildren(...sections);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    view.set({ scheme: view.state.scheme + 1 }),
  );
}

/** Another task brings its own text and site; another text brings its own sites. */
function keepTogether(view, { heads, page }) {
  view.watch(({ task, example, site }, changed) => {
    if (changed("task") && example && example.task !== task && !(changed("example") && example.task === null)) {
      const own = page.examples.find((other) => other.task === task);
      if (own) view.set({ example: own, site: heads.tasks[task].best.site, pinned: null, hovered: null });
    } else if (changed("example") && example && !example.texts[0].sites.some(({ name }) => name === site)) {
      view.set({
        site: example.task === null ? example.texts[0].sites.at(-1).name : heads.tasks[example.task].best.site,
      });
    }
  });
}

drawProbe();
