/* Grids of heads, layers x heads, in which the arrow keys choose one. */

const NARROW = 8; // heads beside each other, above which names of roles are cut short

/**
 * A grid of `n` heads in each layer: {node, cells by name, dense}. `types`: of attention, a letter a layer; `cell(name,
 * dense)` makes a cell, whose head an arrow key chooses in `view`.
 */
function headGrid({ view, n, types, kind, label, cell }) {
  const dense = n > NARROW;
  const layers = Array.from(types, (type, l) => Array.from({ length: type === "R" ? 0 : n }, (_, k) => `${l}.${k}`));
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

/** Chooses the head that an arrow key leads to; `cells` by name, `map` the heads of each layer, of recurrent ones none. */
function moveOnGrid(event, view, cells, map) {
  const [layer, head] = view.state.head.split(".").map(Number);
  const layers = map.flatMap((own, l) => (own.length ? [l] : []));
  const [at, m] = [layers.indexOf(layer), map[layer].length];
  const up = layers[Math.max(0, at - 1)];
  const down = layers[Math.min(layers.length - 1, at + 1)];
  const move = {
    ArrowLeft: [layer, head - 1],
    ArrowRight: [layer, head + 1],
    ArrowUp: [up, head],
    ArrowDown: [down, head],
    Home: [layer, 0],
    End: [layer, m - 1],
  }[event.key];
  if (!move) return;
  event.preventDefault();
  const name = `${move[0]}.${Math.min(m - 1, Math.max(0, move[1]))}`;
  view.set({ head: name });
  cells.get(name).focus();
}
