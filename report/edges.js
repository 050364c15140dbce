/* Which head feeds which: heads in layers, and arrows into the query, key or value of a later head. */

const INPUT_WORDS = { q: "query", k: "key", v: "value" };
const MOST_ARROWS = 12;
const ALL_HEADS = 48; // a model of more heads is drawn with those alone that an arrow has
const TALLEST = 860; // of the picture, where layers stay GAPS[0] apart
const GAPS = [84, 140]; // between layers, at least and at most
const WIDEST = 760; // of the picture
const THICKEST = 7;

/** The edges that count, the strongest first. */
const countingEdges = ({ edges }) => edges.filter(({ counts }) => counts);

const edgeInWords = ({ from, to, input, drop }) =>
  `${from} feeds the ${INPUT_WORDS[input]} of ${to}: with what it writes there in the counterfactual, the answer's log-odds fall by ${nats(drop, 1)} nats`;

const edgeInNumbers = (edge) =>
  `${edgeInWords(edge)} (${natsInterval(edge.ci)}), p ${edge.p_adj.toFixed(4)}.`;

function describeEdges({ resolved, edges: found }) {
  if (!resolved) return NOT_INTERPRETED;
  if (found.not_measured) return `Not measured: ${found.not_measured}.`;
  const counting = countingEdges(found);
  const most = found.reference === null ? "" : ` Between heads that do not look: ${nats(found.reference)} nats at most.`;
  if (!counting.length) return `None of ${found.measured} edges counts.${most}`;
  const left = counting.length > MOST_ARROWS ? ` The strongest ${MOST_ARROWS} of ${counting.length} are drawn.` : "";
  return `${edgeInWords(counting[0])}.${most}${left}`;
}

/** Where each head stands: name -> [x, y], the first layer at the bottom; in pixels, `gap` between layers, `step` between
 *  heads of the widest one, `height` in all. */
function placeHeads(names, width) {
  const layers = byLayer(names.map((name) => ({ name, layer: Number(name.split(".")[0]) }))).reverse();
  const gap = Math.min(GAPS[1], Math.max(GAPS[0], TALLEST / layers.length));
  const at = new Map();
  layers.forEach(([, own], row) => {
    own.forEach(({ name }, i) => at.set(name, [((i + 0.5) / own.length) * width, 30 + row * gap]));
  });
  const step = width / Math.max(...layers.map(([, own]) => own.length));
  return { at, gap, step, height: 60 + (layers.length - 1) * gap };
}

/** An arrow's path: up out of the sender and into its own side of the receiver, past what stands between. */
function arrowPath([x1, y1], [x2, y2], input, { radius, step, gap }) {
  const side = { q: -0.9, k: 0, v: 0.9 }[input] * radius;
  const [fromY, toX, toY] = [y1 - radius, x2 + side, y2 + radius + 7];
  const middle = (x1 + toX) / 2;
  const hidden = (y1 - y2) / gap > 1.5 && Math.abs(((middle / step) % 1) - 0.5) * step < radius + 6;
  const bend = hidden ? step * 0.6 * (middle > step ? -1 : 1) : 0;
  const reach = (fromY - toY) * 0.4;
  return { d: `M${x1} ${fromY}C${x1 + bend} ${fromY - reach} ${toX + bend} ${toY + reach} ${toX} ${toY}`, end: [toX, toY] };
}

function drawArrow(edge, at, strongest, size, onpoint) {
  const { d, end } = arrowPath(at.get(edge.from), at.get(edge.to), edge.input, size);
  const width = Math.max(1.2, (edge.drop / strongest) * THICKEST);
  const [x, y] = end;
  return s(
    "g",
    {
      class: `arrow ${edge.input}`,
      tabindex: 0,
      role: "img",
      "aria-label": edgeInNumbers(edge),
      "data-edge": `${edge.from} ${edge.to} ${edge.input}`,
      onpointerenter: () => onpoint(edge),
      onpointerleave: () => onpoint(null),
      onfocus: () => onpoint(edge),
      onblur: () => onpoint(null),
    },
    s("path", { class: "reach", d }),
    s("path", { class: "shaft", d, "stroke-width": width.toFixed(1) }),
    s("path", { class: "tip", d: `M${x} ${y - 7}l-5 9h10Z` }),
    s("text", { class: "input", x: x - 9, y: y + 12, "text-anchor": "middle" }, edge.input),
  );
}

/** How many nats an arrow carries, beside its middle. */
function arrowNumber(group, edge) {
  const shaft = group.querySelector(".shaft");
  const { x, y } = shaft.getPointAtLength(shaft.getTotalLength() * { q: 0.36, k: 0.5, v: 0.64 }[edge.input]);
  return s("text", { class: "nats", x, y: y + 4, "text-anchor": "middle", "aria-hidden": "true" }, nats(edge.drop, 1));
}

function drawEdges(names, found, best, boxWidth, onpoint) {
  const edges = countingEdges(found).slice(0, MOST_ARROWS);
  const drawn = new Set(edges.flatMap(({ from, to }) => [from, to]));
  const shown = names.length > ALL_HEADS ? names.filter((name) => drawn.has(name)) : names;
  const width = Math.min(boxWidth, WIDEST);
  const { at, gap, step, height } = placeHeads(shown, width);
  const radius = Math.min(20, step / 2 - 1);
  const node = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "which head feeds which" });
  const arrows = edges.toReversed().map((edge) => [drawArrow(edge, at, edges[0].drop, { radius, step, gap }, onpoint), edge]);
  node.append(...arrows.map(([group]) => group));
  for (const [name, [x, y]] of at) {
    const kind = `node${drawn.has(name) ? " on" : ""}${name === best ? " best" : ""}`;
    node.append(
      s("g", { class: kind }, s("circle", { cx: x, cy: y, r: radius }), s("text", { x, y: y + 4, "text-anchor": "middle" }, name)),
    );
  }
  return { node, numbers: () => node.append(...arrows.map(([group, edge]) => arrowNumber(group, edge))) };
}

/** The picture, drawn anew when its box gets another width. */
function edgesPicture(view, { heads, names }, onpoint) {
  const box = h("div", { class: "edges" });
  const draw = () => {
    const { edges: found, best } = heads.tasks[view.state.task];
    if (!found || found.not_measured || !countingEdges(found).length) return box.replaceChildren();
    const { node, numbers } = drawEdges(names, found, best.head, box.clientWidth || 320, onpoint);
    box.replaceChildren(node);
    numbers();
  };
  new ResizeObserver(draw).observe(box);
  return { node: box, draw };
}

const edgesKey = () =>
  h(
    "p",
    { class: "key" },
    Object.entries(INPUT_WORDS).map(([input, name]) =>
      h(
        "span",
        {},
        s(
          "svg",
          { width: 34, height: 12, "aria-hidden": "true" },
          s("g", { class: `arrow ${input}` }, s("path", { class: "shaft", d: "M1 6H33", "stroke-width": 3 })),
        ),
        `${input}: into the ${name}`,
      ),
    ),
    h("span", {}, "width: nats"),
  );

const edgesTable = (task, found) =>
  table(
    `Edges between heads in ${words(task)}`,
    ["from", "to", "input", "fall, nats", "95 % interval", "p", "counts"],
    found.edges.map(({ from, to, input, drop, ci, p_adj: p, counts }) => [
      from,
      to,
      INPUT_WORDS[input],
      nats(drop),
      natsInterval(ci),
      p.toFixed(4),
      counts ? "yes" : "",
    ]),
  );

function edgesSection(view, found) {
  const sentence = h("p", {});
  const status = h("p", { class: "status", "aria-live": "polite" });
  const details = h("details", {});
  const picture = edgesPicture(view, found, (edge) => {
    status.textContent = edge ? edgeInNumbers(edge) : "";
  });
  const figure = h("figure", {}, edgesKey(), picture.node, h("figcaption", {}, status));
  view.watch(({ task }, changed) => {
    if (!changed("task")) return;
    const own = found.heads.tasks[task];
    sentence.textContent = describeEdges(own);
    status.textContent = "";
    const { edges } = own;
    const measured = edges && !edges.not_measured;
    figure.hidden = !measured || !countingEdges(edges).length;
    picture.draw();
    details.hidden = !measured;
    if (measured)
      details.replaceChildren(
        h("summary", {}, "The same in numbers"),
        edgesTable(task, edges),
        h(
          "p",
          { class: "what" },
          `${edges.measured} edges, over ${edges.cases} cases${edges.edges.length < edges.measured ? `; the strongest ${edges.edges.length} are listed` : ""}. Negative control, heads exchanged only at tokens before the texts differ: ${nats(edges.negative_control, 4)} nats at most; it must be 0.`,
        ),
      );
  });
  return section(
    "edges",
    "Which head feeds which",
    "What a later head reads from an earlier one: the earlier head's contribution to its query, key or value is replaced by the one in the counterfactual, on the direct path alone. Nats: how far log P(answer) − log P(foil) falls. An arrow is an edge that counts: its whole interval is above 0, its p below 0.01, and its mean above 0.1 nats and above every path between two heads that do not look.",
    sentence,
    figure,
    details,
  );
}
