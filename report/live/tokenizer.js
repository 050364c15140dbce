/* Text to token ids and back: data/text/tokenizers.py in the page, id for id. */

// GPT-2's way to cut text into words before merging. JavaScript's own \s lacks U+0085 and has U+FEFF.
const wordsPattern =
  /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const REMEMBERED = 20_000; // words, each with its ids
const LONGEST_REMEMBERED = 100; // characters

const utf8 = new TextEncoder();

/** A byte a character: what `atob` gives, and a key that a Map can have, which bytes themselves cannot be. */
function binary(bytes) {
  let characters = "";
  for (const byte of bytes) characters += String.fromCharCode(byte);
  return characters;
}

function fromBinary(characters) {
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

const INSIDE = /^[\p{L}\p{Nl}\p{No}\ufffd]/u; // what begins with a letter, or with a part of a character

/** Numbers, of which the smallest comes out first. */
class Heap {
  constructor() {
    this.items = [];
  }

  push(item) {
    const items = this.items;
    let i = items.length;
    for (let parent; i > 0 && items[(parent = (i - 1) >> 1)] > item; i = parent) items[i] = items[parent];
    items[i] = item;
  }

  /** The smallest number, or undefined. */
  pop() {
    const items = this.items;
    const smallest = items[0];
    const last = items.pop();
    if (!items.length) return smallest;
    let i = 0;
    for (let child; (child = 2 * i + 1) < items.length; i = child) {
      if (items[child + 1] < items[child]) child++;
      if (items[child] >= last) break;
      items[i] = items[child];
    }
    items[i] = last;
    return smallest;
  }
}

/** What byte pair encoding makes of a word, a byte a character: of all neighbours that are a token together, the lowest
 *  id is joined first, the leftmost of equal ones. The time grows like n log n in n bytes. */
function mergePairs(word, ids) {
  const n = word.length;
  const next = new Int32Array(n); // where the part ends that begins at i, and the next one begins
  const previous = new Int32Array(n); // where the part before it begins
  const joined = new Int32Array(n); // the id of the part at i and the next one together; -1: no token
  const heap = new Heap();
  const offer = (i) => {
    joined[i] = (next[i] < n ? ids.get(word.slice(i, next[next[i]])) : undefined) ?? -1;
    if (joined[i] >= 0) heap.push(joined[i] * 2 ** 31 + i);
  };
  for (let i = 0; i < n; i++) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  for (let i = 0; i < n; i++) offer(i);
  for (let item; (item = heap.pop()) !== undefined; ) {
    const i = item % 2 ** 31;
    if (joined[i] !== Math.floor(item / 2 ** 31)) continue; // one of the two has been joined to another since
    joined[next[i]] = -1;
    next[i] = next[next[i]];
    if (next[i] < n) previous[next[i]] = i;
    offer(i);
    if (i > 0) offer(previous[i]);
  }
  const parts = [];
  for (let i = 0; i < n; i = next[i]) parts.push(ids.get(word.slice(i, next[i])));
  return parts;
}

/** Whether ids can be typed: where the names, each after a space, are the ids or none looks like a number. */
function readsIds(names, end) {
  const others = names.filter((_, id) => id !== end);
  return (
    names.some((name) => name.includes(" ", 1)) ||
    names.every((name, id) => id === end || name === ` ${id}`) ||
    !others.some((name) => /^ [-+]?[0-9]+(\.[0-9]+)?$/.test(name))
  );
}

/** Bytes by id; `end` separates documents and has none; null: there is no such token. */
class Tokenizer {
  /** As report/live_model.py writes it. */
  constructor({ kind, start, tokens, end }) {
    this.kind = kind;
    this.start = start;
    this.end = end;
    const raw = tokens.map(atob);
    this.ids = new Map(raw.map((token, id) => [token, id]));
    this.pieces = raw.map(fromBinary);
    this.known = new Map(); // ids by word
    this.shown = this.pieces.map((piece, id) => (id === end ? END : visible(piece)));
    this.byShown = new Map(this.shown.map((text, id) => [text, id]).filter(([text, id]) => text !== toText(this.pieces[id])));
    this.readsIds = kind === "ids" && readsIds(raw, end);
    this.inside = Uint8Array.from(this.pieces, (piece) => INSIDE.test(toText(piece))); // 1: may stand inside a word
  }

  /** Ids of `text`; what is no character, half of a surrogate pair, becomes U+FFFD. */
  encode(text) {
    if (this.kind === "bytes") return Array.from(utf8.encode(text));
    if (this.kind === "characters") return Array.from(text, (character) => this.idOf(character));
    if (this.kind === "ids") return this.encodeNames(text ? text.replace(/^ ?/, " ").match(/ [^ ]*/g) : []);
    const ids = [];
    for (const [word] of text.matchAll(wordsPattern)) for (const id of this.encodeWord(word)) ids.push(id);
    return ids;
  }

  /** Ids of names, each after a space, or of ids. */
  encodeNames(names) {
    const ids = names.map((name) => (/^ [0-9]{1,7}$/.test(name) ? +name : Infinity));
    return this.readsIds && ids.every((id) => id < this.pieces.length) ? ids : names.map((name) => this.idOf(name));
  }

  /** The id of the token of this text; throws where there is none. */
  idOf(text) {
    const id = this.ids.get(binary(utf8.encode(text)));
    if (id === undefined) throw new Error(`“${visible(utf8.encode(text.replace(/^ (?=.)/s, "")))}” is no token of this model`);
    return id;
  }

  encodeWord(word) {
    const known = this.known.get(word);
    if (known) return known;
    const raw = binary(utf8.encode(word));
    const whole = this.ids.get(raw);
    const ids = whole === undefined ? mergePairs(raw, this.ids) : [whole];
    if (this.known.size >= REMEMBERED) this.known.clear();
    if (word.length <= LONGEST_REMEMBERED) this.known.set(word, ids);
    return ids;
  }

  /** The end token, if there is one, and the ids of `text` as a document has it: after `start`, unless it is empty or
   *  begins with it. */
  encodeDocument(text) {
    const before = this.end === null ? [] : [this.end];
    return [...before, ...this.encode(!text || text.startsWith(this.start) ? text : this.start + text)];
  }

  decodeBytes(ids) {
    return concatenated(ids.map((id) => this.pieces[id]));
  }

  /** The text of these tokens; bytes that are no UTF-8 become U+FFFD. */
  decode(ids) {
    return toText(this.decodeBytes(ids));
  }

  /** What to show for each of these tokens. */
  show(ids) {
    const texts = visibleTokens(ids.map((id) => this.pieces[id]));
    return ids.map((id, i) => (id === this.end ? END : texts[i]));
  }
}
