/* Line charts as SVG, drawn at the width they have. */

const MANY = 40; // points, from which on a dot for each would hide the line
const MARGIN = { left: 46, right: 12, top: 10, bottom: 26 };

const linear = (min, max, from, to) => (value) => from + ((value - min) / (max - min || 1)) * (to - from);

/** Round numbers from min to max, about `n` of them. */
function ticksBetween(min, max, n = 4) {
  const rough = (max - min || 1) / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(min / step - 1e-9);
  return Array.from(
    { length: Math.floor(max / step + 1e-9) - first + 1 },
    (_, i) => +((first + i) * step).toPrecision(12),
  );
}

/**
 * A chart that fills its box and is drawn anew when that gets another width.
 *
 * spec: { label, height, x: { min, max, ticks: [[value, text]], map }, y: { min, max, ticks: [value], text: value => text },
 *   lines: [{ name, kind, points: [[x, y]], dots }], bands: [{ points: [[x, low, high]] }],
 *   rules: [{ y, kind }], marks: [{ x, y, text }], cursor: x, onpoint: x => ... }
 * A line's kind ("chosen", "other", "second") is its class. `x.map` bends the axis, as a logarithm does. `onpoint` gets
 * the x of the point nearest to the pointer, and null when the pointer leaves.
 */
function chart(spec) {
  const box = h("div", { class: "chart" });
  box.style.height = `${spec.height}px`;
  let current = spec;
  const draw = () => box.replaceChildren(drawChart(current, box.clientWidth || 320));
  new ResizeObserver(draw).observe(box);
  return {
    node: box,
    draw(changes) {
      current = { ...current, ...changes };
      draw();
    },
  };
}

function drawChart(spec, width) {
  const bend = spec.x.map ?? ((value) => value);
  const along = linear(bend(spec.x.min), bend(spec.x.max), MARGIN.left, width - MARGIN.right);
  const x = (value) => along(bend(value));
  const y = linear(spec.y.min, spec.y.max, spec.height - MARGIN.bottom, MARGIN.top);
  const node = s("svg", {
    viewBox: `0 0 ${width} ${spec.height}`,
    height: spec.height,
    role: "img",
    "aria-label": spec.label,
  });
  node.append(
    axes(spec, x, y, width),
    ...(spec.bands ?? []).map((band) => s("path", { class: "band", d: bandPath(band.points, x, y) })),
    ...(spec.rules ?? []).map((rule) => drawRule(rule, y, width)),
    ...spec.lines.map((line) => drawLine(line, x, y)),
    ...(spec.marks ?? []).map((mark) => drawMark(mark, x, y)),
  );
  if (spec.cursor !== undefined && spec.cursor !== null) {
    const at = x(spec.cursor);
    node.append(s("line", { class: "cursor", x1: at, x2: at, y1: MARGIN.top, y2: spec.height - MARGIN.bottom }));
  }
  if (spec.onpoint) followPointer(node, spec, x);
  return node;
}

function axes(spec, x, y, width) {
  const bottom = spec.height - MARGIN.bottom;
  const group = s("g", { class: "axes", "aria-hidden": "true" });
  for (const tick of spec.y.ticks) {
    group.append(
      s("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }),
      s("text", { x: MARGIN.left - 7, y: y(tick) + 4, "text-anchor": "end" }, spec.y.text(tick)),
    );
  }
  let free = -Infinity; // where the next label may begin
  for (const [value, text] of spec.x.ticks) {
    const half = 3.6 * text.length;
    const at = Math.min(x(value), width - half);
    if (at - half < free) continue;
    free = at + half + 6;
    group.append(s("text", { x: at, y: bottom + 17, "text-anchor": "middle" }, text));
  }
  return group;
}

function drawLine(line, x, y) {
  const known = line.points.filter(([, value]) => value !== null && value !== undefined);
  const path = known.map(([at, value], i) => `${i ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const dots = line.dots
    ? known.map(([at, value]) => s("circle", { cx: x(at), cy: y(value), r: 3.2, "data-y": value }))
    : [];
  return s(
    "g",
    { class: `line ${line.kind}`, "data-name": line.name },
    s("title", {}, line.name),
    s("path", { d: path }),
    dots,
  );
}

function bandPath(points, x, y) {
  const upper = points.map(([at, , high]) => `${x(at)} ${y(high)}`);
  const lower = points.map(([at, low]) => `${x(at)} ${y(low)}`).reverse();
  return `M${[...upper, ...lower].join("L")}Z`;
}

function drawRule({ y: value, kind }, y, width) {
  return s("line", {
    class: `rule ${kind}`,
    x1: MARGIN.left,
    x2: width - MARGIN.right,
    y1: y(value),
    y2: y(value),
    "data-y": value,
  });
}

const diamond = (x, y, size) => `M${x} ${y - size}l${size} ${size}l${-size} ${size}l${-size} ${-size}Z`;

const drawMark = ({ x: at, y: value, text }, x, y) =>
  s("path", { class: "mark", d: diamond(x(at), y(value), 6), "data-y": value }, s("title", {}, text));

/** What a kind of line, rule or mark in a chart means: a piece of it, and words. */
function keyEntry(kind, text) {
  const piece =
    kind === "mark" ? s("path", { class: kind, d: diamond(13, 6, 5) }) : s("path", { d: "M1 6H25", class: kind });
  return h(
    "span",
    {},
    s(
      "svg",
      { width: 26, height: 12, "aria-hidden": "true" },
      kind.startsWith("line") ? s("g", { class: kind }, s("path", { d: "M1 6H25" })) : piece,
    ),
    text,
  );
}

function followPointer(node, spec, x) {
  const points = [...new Set(spec.lines.flatMap((line) => line.points.map(([at]) => at)))];
  if (!points.length) return;
  let pointed = null; // where the pointer was last, until the next frame is drawn
  const answer = () => {
    const at = pointed - node.getBoundingClientRect().left;
    pointed = null;
    if (!node.isConnected) return; // drawn anew meanwhile
    spec.onpoint(points.reduce((best, point) => (Math.abs(x(point) - at) < Math.abs(x(best) - at) ? point : best)));
  };
  node.addEventListener("pointermove", (event) => {
    if (pointed === null) requestAnimationFrame(answer);
    pointed = event.clientX;
  });
  node.addEventListener("pointerleave", () => spec.onpoint(null));
}
