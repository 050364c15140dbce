/* Without heads in a text: how much the loss grows without each, by kind of predicted token. */

const ABLATIONS = {
  mean_per_position: "its mean at each position",
  mean_over_positions: "its mean over all positions",
  resample: "its output in another window",
};

/** Rows of the map: the heads of each layer, all of the layer together, and all heads. */
function effectRows({ heads, layers, all_heads: all }) {
  const rows = byLayer(heads).flatMap(([layer, own]) => [
    ...own.map(({ head, effects }) => ({ name: head, what: `head ${head}`, head, effects })),
    {
      name: `layer ${layer}`,
      what: `all heads of layer ${layer}`,
      effects: layers.find((other) => other.layer === layer).effects,
    },
  ]);
  return [...rows, { name: "all heads", what: "all heads", effects: all.effects }];
}

/** Why an entry is not to be believed, or "". */
function whyUnsure({ nats: lost, ci: [low, high] }, bar) {
  if (low <= 0 && high >= 0) return "its interval includes 0";
  return Math.abs(lost) < bar ? `heads of untrained networks reach ${nats(bar)}` : "";
}

function describeEffect(row, kind, ablation, found) {
  const own = row.effects[ablation][kind];
  const unsure = whyUnsure(own, found.text.untrained.most[ablation]);
  const p = own.p === undefined ? "" : `, p ${own.p.toFixed(4)}`;
  const lost = `${nats(Math.abs(own.nats))} nats ${own.nats < 0 ? "less" : "more"} without`;
  const numbers = `${lost} (${natsInterval(own.ci)}${p})`;
  return `${row.what}, ${kindName(kind, found)}: ${numbers}${unsure ? `; ${unsure}` : ""}`;
}

/** The largest effect of one head under an ablation, to which the strength of colours is relative. */
const largestEffect = ({ heads }, ablation) =>
  Math.max(1e-3, ...heads.flatMap(({ effects }) => Object.values(effects[ablation]).map((own) => Math.abs(own.nats))));

/** The map as a grid of cells; arrow keys move over it. `state` is a View of {row, kind, ablation}. */
function effectMap(state, rows, kinds, found) {
  const cellName = (row, kind) => `${row} ${kind}`;
  const cell = (i, kind) => h("div", { role: "gridcell", "data-row": i, "data-kind": kind });
  const cells = new Map(rows.flatMap((_, i) => kinds.map((kind) => [cellName(i, kind), cell(i, kind)])));
  const header = h(
    "div",
    { role: "row", class: "head" },
    h("span", { role: "columnheader" }, h("span", { class: "unseen" }, "head")),
    kinds.map((kind) =>
      h("span", { role: "columnheader", title: found.text.kinds[kind].what }, h("span", {}, kindName(kind, found))),
    ),
  );
  const lines = rows.map((row, i) =>
    h(
      "div",
      { role: "row", class: row.head ? "" : "together" },
      h("span", { role: "rowheader", class: "layer" }, row.name),
      kinds.map((kind) => cells.get(cellName(i, kind))),
    ),
  );
  const grid = h(
    "div",
    {
      role: "grid",
      class: found.text.heads.length > MANY_HEADS ? "effects many" : "effects",
      "aria-label": "change of loss in nats without each head, by kind of predicted token; arrow keys move",
      "--kinds": kinds.length,
    },
    header,
    lines,
  );
  const at = ({ dataset: { row, kind } }) => (kind === undefined ? null : { row: +row, kind });
  grid.addEventListener("pointerover", (event) => state.set({ pointed: at(event.target) }));
  grid.addEventListener("pointerleave", () => state.set({ pointed: null }));
  grid.addEventListener("click", (event) => state.set(at(event.target) ?? {}));
  grid.addEventListener("focusin", (event) => state.set({ ...at(event.target), pointed: null }));
  onKey(grid, (event) => {
    const { row, kind } = state.state;
    const j = kinds.indexOf(kind);
    const name = keyMove(event, {
      ArrowLeft: cellName(row, kinds[j - 1]),
      ArrowRight: cellName(row, kinds[j + 1]),
      ArrowUp: cellName(row - 1, kind),
      ArrowDown: cellName(row + 1, kind),
      Home: cellName(row, kinds[0]),
      End: cellName(row, kinds.at(-1)),
    });
    cells.get(name)?.focus(); // which chooses it
  });
  state.watch(({ row, kind, ablation }, changed) => {
    if (changed("ablation")) {
      const most = largestEffect(found.text, ablation);
      for (const node of cells.values()) paint(node, rows[node.dataset.row], ablation, most, found);
    }
    if (!changed("row", "kind")) return;
    roving(cells, cellName(row, kind));
    lines.forEach((line, i) => line.classList.toggle("on", i === row));
  });
  return grid;
}

/** Colour by the square root of the effect, so that small ones are seen, too; `most` has the full colour. */
function paint(cell, row, ablation, most, found) {
  const own = row.effects[ablation][cell.dataset.kind];
  const unsure = whyUnsure(own, found.text.untrained.most[ablation]);
  cell.className = `effect${own.nats < 0 ? " less" : ""}${unsure ? " unsure" : ""}`;
  cell.style.setProperty("--strength", Math.min(1, Math.sqrt(Math.abs(own.nats) / most)).toFixed(3));
  cell.textContent = nats(own.nats, Math.abs(own.nats) < 9.995 ? 2 : 1);
  cell.setAttribute("aria-label", describeEffect(row, cell.dataset.kind, ablation, found));
}

function effectTable(rows, kinds, ablation, found) {
  const cell = ({ nats: lost, ci }) => `${nats(lost, 3)} (${natsInterval(ci)})`;
  return table(
    "Change of loss in nats per token without heads, with 95 % intervals",
    ["without", ...kinds.map((kind) => `${kindName(kind, found)} (${thousands(found.text.kinds[kind].tokens)})`)],
    rows.map(({ name, effects }) => [name, ...kinds.map((kind) => cell(effects[ablation][kind]))]),
  );
}

function textEffectsSection(view, found) {
  const { text, page } = found;
  const rows = effectRows(text);
  const kinds = Object.keys(text.kinds);
  const rowOf = (head) => rows.findIndex((row) => row.head === head);
  const state = new View({
    row: rowOf(view.state.head),
    kind: page.text.kind ?? kinds[0],
    ablation: text.shown,
    pointed: null,
  });
  const names = Object.keys(text.untrained.most);
  const [choose, select] = chooser(
    "In place of a head's output",
    names.map((name) => [name, nameIn(ABLATIONS, name)]),
    (ablation) => state.set({ ablation }),
  );
  select.value = text.shown;
  const status = h("p", { class: "status", "aria-live": "polite" });
  const scale = h("p", { class: "key" });
  const makeTable = () => effectTable(rows, kinds, state.state.ablation, found);
  const [numbers, refill] = lazyDetails("The same in numbers", makeTable);
  const map = effectMap(state, rows, kinds, found);
  state.watch(({ row, kind, ablation, pointed }, changed) => {
    const { row: i, kind: shown } = pointed ?? { row, kind };
    status.textContent = `${capitalised(describeEffect(rows[i], shown, ablation, found))}.`;
    if (changed("row") && rows[row].head) view.set({ head: rows[row].head });
    if (!changed("ablation")) return;
    scale.replaceChildren(...effectKey(text, ablation));
    refill();
  });
  view.watch(({ head }, changed) => {
    if (changed("head")) state.set({ row: rowOf(head) });
  });
  return section(
    "text-effects",
    "What it costs to do without a head",
    "How many nats per token the loss grows without a head, by kind of the token to be predicted. Pale: the interval includes 0, or a head of an untrained network reaches as much. Rows of a whole layer and of all heads show what heads do together. Point at an entry, or move to it with the arrow keys.",
    names.length > 1 && h("div", { class: "controls" }, choose),
    scale,
    map,
    status,
    text.left_out.map((sentence) => h("p", { class: "what" }, sentence)),
    numbers,
  );
}

/** What the colours of the map stand for. */
function effectKey(text, ablation) {
  const most = largestEffect(text, ablation);
  const patch = (kind, strength) => h("span", { class: `swatch effect ${kind}`, "--strength": strength });
  return [
    h("span", {}, patch("", 1), `${nats(most)} nats more, or above`),
    h("span", {}, patch("", 0.5), `${nats(most / 4)} more`),
    h("span", {}, patch("less", 0.5), `${nats(most / 4)} less: the head does harm there`),
    h("span", {}, `the largest effect in ${text.untrained.networks} untrained networks: ${nats(text.untrained.most[ablation], 3)} nats`),
  ];
}
