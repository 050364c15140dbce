/* Grids of heads, layers x heads, in which the arrow keys choose one. */

const NARROW = 8; // heads beside each other, above which names of roles are cut short

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
