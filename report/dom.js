/* Elements out of plain text: nothing here can turn a string into markup. */

const SVG = "http://www.w3.org/2000/svg";

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const h = (tag, attributes = {}, ...children) => build(document.createElement(tag), attributes, children);
const s = (tag, attributes = {}, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

/** Calls `act(event)` at keys without a modifier: with one they are the browser's, as Alt and an arrow, which go back. */
function onKey(node, act) {
  node.addEventListener("keydown", (event) => event.altKey || event.ctrlKey || event.metaKey || act(event));
}

/** Where a key leads by `moves`, {key: where}, which the browser is then not to act on; undefined: it leads nowhere. */
function keyMove(event, moves) {
  const to = moves[event.key];
  if (to !== undefined) event.preventDefault();
  return to;
}

/** The one of n that is the nearest to number `i`. */
const within = (n, i) => Math.max(0, Math.min(n - 1, i));

/** Marks the chosen one of a Map of cells; it is the only one that Tab reaches. */
function roving(cells, chosen) {
  for (const [name, cell] of cells) {
    cell.setAttribute("aria-selected", name === chosen);
    cell.tabIndex = name === chosen ? 0 : -1;
  }
}

/** The bytes of a named part of the page: base64 of deflated data. Throws where they are not whole. */
async function unpack(name) {
  const characters = atob(document.getElementById(name).textContent);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i++) bytes[i] = characters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Where drawing the page fails, the line that waits there says why. */
const sayWhyNot = (drawing) =>
  drawing.catch((error) => {
    document.querySelector(".waiting").append(` (${error.message})`);
    throw error;
  });

const unpackJson = async (name) => JSON.parse(new TextDecoder().decode(await unpack(name)));

/** Saves a part of the page as a file. */
async function download(name, type) {
  const url = URL.createObjectURL(new Blob([await unpack(name)], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

const downloadButton = (name, type) =>
  h("button", { type: "button", onclick: () => download(name, type) }, `Save ${name}`);

/** What the reader has chosen; sections watch it and draw themselves anew. */
class View {
  constructor(state) {
    this.state = state;
    this.watchers = [];
  }

  /** Calls `draw(state, changed)` now and after every change; `changed` says of a key whether it is another one. */
  watch(draw) {
    this.watchers.push(draw);
    draw(this.state, () => true);
  }

  set(changes) {
    const before = this.state;
    if (Object.keys(changes).every((key) => before[key] === changes[key])) return;
    this.state = { ...before, ...changes };
    for (const draw of this.watchers)
      draw(this.state, (...keys) => keys.some((key) => before[key] !== this.state[key]));
  }
}

/** Puts the sections onto the page, and goes to the one that the address names. */
function showSections(...sections) {
  document.getElementById("page").replaceChildren(...sections);
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

function section(id, title, explanation, ...children) {
  const heading = h("h2", { id: `${id}-title` }, title);
  return h("section", { id, "aria-labelledby": heading.id }, heading, h("p", { class: "what" }, explanation), children);
}

const linkToLive = (href) => h("p", {}, h("a", { href }, "Try the model: type a sentence, see the next words"));

/** A labelled <select>; `options` are [value, text]. Returns [both, select]. */
function chooser(text, options, onchoose) {
  const id = `choose-${text.replaceAll(" ", "-")}`;
  const select = h(
    "select",
    { id },
    options.map(([value, label]) => h("option", { value }, label)),
  );
  select.addEventListener("change", () => onchoose(select.value));
  return [h("span", { class: "chooser" }, h("label", { for: id }, text), select), select];
}

/** A table from column names and rows of cells: text, or [text, attributes]. */
function table(caption, columns, rows) {
  const cell = (tag, content, scope) =>
    Array.isArray(content) ? h(tag, { scope, ...content[1] }, content[0]) : h(tag, { scope }, content);
  const head = h(
    "tr",
    {},
    columns.map((name) => cell("th", name, "col")),
  );
  const body = rows.map((row) =>
    h(
      "tr",
      {},
      row.map((content, i) => (i ? cell("td", content) : cell("th", content, "row"))),
    ),
  );
  const whole = h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, head), h("tbody", {}, body));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, whole);
}

/** Details that are made when they are opened: [node, refill]; `refill()` makes them anew where they are open. */
function lazyDetails(summary, make) {
  const node = h("details", {}, h("summary", {}, summary));
  const refill = () => node.open && node.replaceChildren(node.firstChild, make());
  node.addEventListener("toggle", refill);
  return [node, refill];
}

/** A value of a map by a name that anybody may have given: a task may be called "constructor". */
const lookup = (map, name) => (Object.hasOwn(map, name) ? map[name] : undefined);

/** A share in per cent; halves up, also those that a binary fraction misses by a hair, as Python's sentences round. */
const hundredths = (share, digits) => (100 * share + 1e-9).toFixed(digits);
const percent = (share, digits = 0) => `${hundredths(share, digits)}\u00a0%`;
const interval = ([low, high]) => `${hundredths(low, 1)}–${hundredths(high, 1)}\u00a0%`;
/** A number of nats as text; what rounds to nothing has no sign. */
const nats = (value, digits = 2) => value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1");
/** The same with its sign, of which one that rounds to nothing has none. */
const signed = (value) => (nats(value)[0] === "-" || !+nats(value) ? nats(value).replace("-", "−") : `+${nats(value)}`);
const natsInterval = ([low, high]) => `${nats(low)} to ${nats(high)}`;
/** What a name is called by `names`, or else the name in words. */
const nameIn = (names, name) => lookup(names, name) ?? words(name);
const words = (name) => name.replaceAll("_", " ");
const capitalised = (sentence) => sentence[0].toUpperCase() + sentence.slice(1);
const counted = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;
const thousands = (n) => n.toLocaleString("en-US");

function compact(n) {
  const units = Object.entries({ B: 1e9, M: 1e6, k: 1e3 });
  const [unit, size] = units.find(([, of]) => n >= 0.9995 * of) ?? ["", 1]; // less has three digits of the next unit
  return `${+(n / size).toPrecision(3)}${unit ? `\u00a0${unit}` : ""}`;
}

/** What a colour stands for, as an item of a legend. */
const legendItem = (colour, name, meaning) =>
  h("li", {}, h("span", { class: "chip", "--role": colour }), h("b", {}, name), meaning);
