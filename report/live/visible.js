/* What to show for tokens: nothing invisible, nothing that acts; common/visible.py in the page. */

const END = "⟨end⟩"; // what the end token is shown as
const GOES_ON = "◦"; // a token whose bytes all belong to a character that an earlier token began
const SHOWN = { "\n": "↵", "\t": "⇥", "\x7f": "␡" };
const HIDDEN = /[\p{C}\p{Z}]/u;
const UNSEEN_SPACES = / {2,}| (?=\n?$)/g;

const toText = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function concatenated(pieces) {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** How many of `bytes` from `at` on are one character; 0: none is. */
function characterSize(bytes, at) {
  const first = bytes[at];
  const size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  try {
    return at + size <= bytes.length && strictUtf8.decode(bytes.subarray(at, at + size)) ? size : 0;
  } catch {
    return 0;
  }
}

const escaped = (number, size) => `\\${{ 2: "x", 4: "u", 8: "U" }[size]}${number.toString(16).padStart(size, "0")}`;

function visibleCharacter(character) {
  if (character in SHOWN) return SHOWN[character];
  const code = character.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  const seen = !HIDDEN.test(character) || " \u200c\u200d".includes(character);
  return seen ? character : escaped(code, code < 0x100 ? 2 : code < 0x10000 ? 4 : 8);
}

/** What to show for a token of these bytes. */
function visible(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const size = characterSize(bytes, at);
    text += size ? toText(bytes.subarray(at, at + size)) : escaped(bytes[at], 2);
    at += size || 1;
  }
  const spaced = text.replace(UNSEEN_SPACES, (spaces) => "␣".repeat(spaces.length));
  return Array.from(spaced, visibleCharacter).join("");
}

/** What to show for each token of a text: a character of several tokens stands whole in the one that begins it. */
function visibleTokens(pieces) {
  const bytes = concatenated(pieces);
  const cuts = [0];
  let [character, end] = [0, 0]; // where the last character ends that has begun, and where the piece does
  for (const piece of pieces) {
    end += piece.length;
    while (character < end) character += characterSize(bytes, character) || 1;
    cuts.push(character);
  }
  return pieces.map((piece, i) =>
    piece.length && cuts[i] === cuts[i + 1] ? GOES_ON : visible(bytes.subarray(cuts[i], cuts[i + 1])),
  );
}
