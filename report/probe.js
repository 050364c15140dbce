/* probe/report.html: everything that probe.py found. */

async function drawProbe() {
  const [heads, page] = await Promise.all([unpackJson("heads.json"), unpackJson("page.json")]);
  const names = heads.all_roles.flatMap((layer, l) => layer.map((_, k) => `${l}.${k}`));
  const found = { heads, page, names };
  const family = page.first ?? Object.keys(heads.families)[0];
  const example =
    page.examples.find((other) => other.family === null) ?? page.examples.find((other) => other.family === family);
  const best = heads.families[family]?.best;
  const view = new View({
    family,
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
  if (family) sections.push(sitesSection(view, found));
  sections.push(
    filmSection(view, heads.film, "No film yet: python probe.py run=... film=true looks at the snapshots of the run."),
  );
  sections.push(numbersSection(view, found));
  sections.push(methodSection(found));
  document.getElementById("page").replaceChildren(...sections);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    view.set({ scheme: view.state.scheme + 1 }),
  );
}

/** Another family brings its own text and site; another text brings its own sites. */
function keepTogether(view, { heads, page }) {
  view.watch(({ family, example, site }, changed) => {
    if (changed("family") && example && example.family !== family && !(changed("example") && example.family === null)) {
      const own = page.examples.find((other) => other.family === family);
      if (own) view.set({ example: own, site: heads.families[family].best.site, pinned: null, hovered: null });
    } else if (changed("example") && example && !example.texts[0].sites.some(({ name }) => name === site)) {
      view.set({
        site: example.family === null ? example.texts[0].sites.at(-1).name : heads.families[example.family].best.site,
      });
    }
  });
}

drawProbe();
