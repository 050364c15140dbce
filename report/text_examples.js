/* The strongest weights of the chosen head, as words in their context. */

/** A piece of a corpus with a mark for whatever could not be seen or would act; spaces stay, as in running text. */
const visiblePiece = (piece) => Array.from(piece, (c) => (/\p{Zs}/u.test(c) ? c : visibleCharacter(c))).join("");

/** A piece that is marked: one that is nothing but spaces, or nothing, must be seen, too. */
function markedPiece(piece) {
  if (piece === "") return END;
  return /^ +$/.test(piece) ? "␣".repeat(piece.length) : visiblePiece(piece.replace(/^ /, ""));
}

function passage({ weight, pieces, query, key, next }) {
  const marks = { [query]: "from", [key]: "looked", [next]: "next" };
  if (query === key) marks[query] = "from looked";
  const body = pieces.map((piece, i) => {
    const mark = marks[i];
    if (!mark) return visiblePiece(piece);
    const tint = mark.includes("looked") ? (0.25 + 0.75 * weight).toFixed(3) : null;
    const word = h("bdi", { class: `word ${mark}`, "--weight": tint }, markedPiece(piece));
    return [/^ [^ ]/.test(piece) ? " " : "", word];
  });
  const [from, to] = [query, key].map((i) => markedPiece(pieces[i]));
  return h(
    "li",
    {},
    h("p", { class: "caption" }, h("b", {}, weight.toFixed(2)), " ", h("bdi", {}, from), " attends to ", h("bdi", {}, to)),
    h("p", { class: "passage", dir: "auto" }, body),
  );
}

function textExamplesSection(view, { text }) {
  const title = h("h3", {});
  const list = h("ol", { class: "passages" });
  view.watch(({ head }, changed) => {
    if (!changed("head")) return;
    const { examples } = text.heads.find((other) => other.head === head);
    title.textContent = `Head ${head}`;
    list.replaceChildren(...examples.map(passage));
  });
  return section(
    "text-examples",
    "Examples",
    "The largest weights of the chosen head in this text, no two from one neighbourhood. Boxed: the token it attends from. Tinted: the token it attends to, with this share of its attention. Dotted: the token that comes next and is to be predicted.",
    title,
    list,
  );
}
