/* Grids of heads, layers x heads, in which the arrow keys choose one. */

const NARROW = 8; // heads beside each other, above which names of roles are cut short

/** The names of the heads of each layer, of which recurrent ones have none. `types`: the attention type of each layer. */
const headNames = (types, n) =>
  Array.from(types, (type, l) => Array.from({ length: type === "R" ? 0 : n }, (_, k) => `${l}.${k}`));

/**
 * A grid of `n` heads in each layer: {node, cells by name, dense}. `cell(name, dense)` makes a cell, whose head an arrow
 * key chooses in `view`.
 */
function headGrid({ view, n, types, kind, label, cell }) {
  const dense = n > NARROW;
  const layers = headNames(types, n);
  const cells = new Map(layers.flat().map((name) => [name, cell(name, dense)]));
  const named = /[^F]/.test(types);
  const rows = layers.map((own, l) =>
    h(
      "div",
      { role: "row" },
      h("span", { role: "rowheader", class: "layer" }, `${dense ? "" : "layer "}${l}${named ? ` ${types[l]}` : ""}`),
      own.length
        ? own.map((name) => cells.get(name))
        : h("div", { role: "gridcell", class: "headless" }, "recurrent: no heads"),
    ),
  );
  if (dense) rows.unshift(headNumbers(n));
  const attributes = { class: dense ? `${kind} dense` : kind, role: "grid", "aria-label": label, "--heads": n };
  const node = h("div", attributes, rows);
  onKey(node, (event) => moveOnGrid(event, view, cells, layers));
  return { node, cells, dense };
}

/** The row over a grid in which heads have no names of their own. */
function headNumbers(n) {
  const numbers = Array.from({ length: n }, (_, k) => h("span", { role: "columnheader", class: "layer" }, `${k}`));
  return h("div", { role: "row" }, h("span", {}), numbers);
}

/** Chooses the head that an arrow key leads to; `cells` by name, `layers` the names of each, of recurrent ones none. */
function moveOnGrid(event, view, cells, layers) {
  const rows = layers.filter((names) => names.length);
  const at = rows.findIndex((names) => names.includes(view.state.head));
  const [up, row, down] = [at - 1, at, at + 1].map((i) => rows[within(rows.length, i)]);
  const k = row.indexOf(view.state.head);
  const name = keyMove(event, {
    ArrowLeft: row[within(row.length, k - 1)],
    ArrowRight: row[within(row.length, k + 1)],
    ArrowUp: up[k],
    ArrowDown: down[k],
    Home: row[0],
    End: row.at(-1),
  });
  if (!name) return;
  view.set({ head: name });
  cells.get(name).focus();
}
