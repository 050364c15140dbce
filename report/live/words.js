/* What comes next: words as probing/sentence.py finds them, the log-odds of two words, and tokens that are drawn. */

const LETTER = "[\\p{L}\\p{Nl}\\p{No}]";
// And kana: IDEOGRAPHS of data/text/words.py.
const IDEOGRAPH = "[\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{323af}]";
// Of a word: what may be so far, or else the ideograph that it is.
const BEGUN = new RegExp(`^ ?(?:(?:(?!${IDEOGRAPH})${LETTER})*|(${LETTER}))$`, "u");
const MOST_PIECES = 32; // of a word; with bytes, each is a letter
const SMALLEST_TEMPERATURE = 1e-30;

/** Where the context of the next token starts when `length` tokens exist: context_start of model/cache.py. */
function contextStart(length, block) {
  if (length <= block) return 0;
  const hop = Math.max(1, Math.floor(block / 2));
  return Math.ceil((length - block) / hop) * hop;
}

/** Reads `tokens`, or what of them still fits into the block: { tokens, edits }, as they were read. Edits of rows are
 *  left out as soon as the tokens have moved on, since every row is another token's then. */
function readEnd(reading, tokens, edits) {
  const start = contextStart(tokens.length, reading.network.config.block_size);
  const read = start ? { tokens: tokens.slice(start), edits: { ...edits, rows: [] } } : { tokens, edits };
  reading.read(read.tokens, read.edits);
  return read;
}

const beside = new WeakMap(); // by reading: the one that reads on where the context moves

/**
 * A reading that has read `tokens` and `more` after them: `reading` itself, or one beside it where the context moves on,
 * so that what is known of the whole context stays.
 */
function readOn(reading, tokens, more, edits) {
  const all = [...tokens, ...more];
  const block = reading.network.config.block_size;
  let used = reading;
  if (contextStart(all.length, block) !== contextStart(tokens.length, block)) {
    if (!beside.has(reading)) beside.set(reading, new Reading(reading.network));
    used = beside.get(reading);
  }
  readEnd(used, all, edits);
  return used;
}

/** The logits [V] of the token that comes next; throws where they are not finite. */
function nextLogits(reading) {
  const logits = reading.logits(reading.tokens.length - 1);
  if (!logits.every(Number.isFinite)) throw new Error("the model's logits are not finite");
  return logits;
}

const add = (sum, number) => sum + number;
const largest = (numbers) => numbers.reduce((best, number, i) => (number > numbers[best] ? i : best), 0);

function probabilities(logits) {
  const p = Float64Array.from(logits);
  softmax(p, 0, p.length);
  return p;
}

/** The indices of the n largest numbers, largest first. */
function largestOf(numbers, n) {
  const best = [];
  for (let i = 0; i < numbers.length; i++) {
    if (best.length === n && numbers[i] <= numbers[best.at(-1)]) continue;
    let at = best.length;
    while (at > 0 && numbers[best[at - 1]] < numbers[i]) at--;
    best.splice(at, 0, i);
    best.length = Math.min(best.length, n);
  }
  return best;
}

/** BEGUN in the text of tokens, of which half a character at the end is left out; null: they are no word so far. */
function wordSoFar(ids, tokenizer) {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(tokenizer.decodeBytes(ids), { stream: true });
  return ids.at(-1) === tokenizer.end ? null : BEGUN.exec(text);
}

/** Whether tokens are a word so far that another letter may follow. */
function mayGoOn(ids, tokenizer) {
  const begun = wordSoFar(ids, tokenizer);
  return begun !== null && begun[1] === undefined;
}

const isText = (bytes) => utf8.encode(toText(bytes)).join() === bytes.join();
const writtenText = (bytes) => (bytes.length > 0 && isText(bytes) ? toText(bytes) : null);

/**
 * The n likeliest tokens after `tokens`. If one begins a word, its likeliest continuation follows, token by token, until
 * the word ends with a probability of one half or more: [{ ids, pieces: [{ text, p }], text, written, p }], likeliest
 * first; p of a word is the product of its pieces'; `written` is null where it is no text by itself. Throws where the
 * logits are not finite.
 */
function nextWords(reading, tokens, edits, tokenizer, n) {
  readEnd(reading, tokens, edits);
  const p = probabilities(nextLogits(reading));
  const words = largestOf(p, n).map((id) => continued({ ids: [id], p: [p[id]] }, reading, tokens, edits, tokenizer));
  readEnd(reading, tokens, edits);
  const described = words.map((word) => ({
    ids: word.ids,
    pieces: tokenizer.show(word.ids).map((text, i) => ({ text, p: word.p[i] })),
    text: visible(tokenizer.decodeBytes(word.ids)) || END,
    written: writtenText(tokenizer.decodeBytes(word.ids)),
    p: word.p.reduce((product, of) => product * of, 1),
  }));
  return described.sort((one, other) => other.p - one.p);
}

function continued(word, reading, tokens, edits, tokenizer) {
  while (mayGoOn(word.ids, tokenizer) && word.ids.length < MOST_PIECES) {
    const further = readOn(reading, tokens, word.ids, edits);
    const p = probabilities(further.logits(further.tokens.length - 1)).map((of, id) => of * tokenizer.inside[id]);
    const likeliest = largest(p);
    const longer = { ids: [...word.ids, likeliest], p: [...word.p, p[likeliest]] };
    if (!(p.reduce(add, 0) > 0.5 && wordSoFar(longer.ids, tokenizer))) break;
    word = longer;
  }
  let length = word.ids.length;
  while (length > 1 && !isText(tokenizer.decodeBytes(word.ids.slice(0, length)))) length--; // no letter, after all
  return { ids: word.ids.slice(0, length), p: word.p.slice(0, length) };
}

/**
 * Where two words part after `tokens`: { shared, one, other }, the tokens that both begin with and the first one in
 * which they differ. A word may be what is shown for a token. One that begins with a letter or a digit gets a space
 * before it, unless it is `exact` or the two are likelier as they are: inside a word or after a space. Throws where one
 * begins with the other.
 */
function partWords(reading, tokens, edits, tokenizer, [one, other], exact) {
  const idsOf = (word) => (tokenizer.byShown.has(word) ? [tokenizer.byShown.get(word)] : tokenizer.encode(word));
  const spacedIds = (word) => {
    try {
      return idsOf(word.replace(/^[\p{L}\p{N}]/u, " $&"));
    } catch {
      return idsOf(word); // of characters, among which there may be no space
    }
  };
  const plain = [one, other].map(idsOf);
  const spaced = exact ? plain : [one, other].map(spacedIds);
  readEnd(reading, tokens, edits);
  const p = probabilities(nextLogits(reading));
  const likelihood = (pair) => [...new Set(pair.map(([first]) => first))].reduce((sum, first) => sum + p[first], 0);
  const [a, b] = likelihood(plain) > likelihood(spaced) ? plain : spaced;
  const n = a.findIndex((id, i) => id !== b[i]);
  if (n < 0 || n >= b.length) throw new Error(`“${one}” and “${other}”: one begins with the other; choose two words that part`);
  return { shared: a.slice(0, n), one: a[n], other: b[n] };
}

/**
 * log P(one) - log P(other) in nats where two words part (`parted`: partWords), and what each head adds to it before
 * softcap: { odds, adds: {"L.H": nats}, rest }.
 */
function oddsOfWords(reading, tokens, edits, { shared, one, other }) {
  const further = readOn(reading, tokens, shared, edits);
  const logits = nextLogits(further);
  const { heads, rest } = further.contributions(further.tokens.length - 1, one, other);
  readEnd(reading, tokens, edits);
  return { odds: logits[one] - logits[other], adds: heads, rest };
}

/** All bits of an integer into all bits of another: the last step of MurmurHash3 (Appleby 2011). */
function mixed(x) {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** A number in [0, 1) that depends on nothing but a seed and on which token of a text it draws. */
const uniform = (seed, number) => mixed(mixed(seed + 1) + number + 1) / 2 ** 32;

/** The next token at `temperature`, 0 taking the likeliest; `u` in [0, 1) decides which. */
function sample(logits, temperature, u) {
  const best = largest(logits);
  if (temperature === 0) return best;
  const p = probabilities(logits.map((logit) => (logit - logits[best]) / Math.max(temperature, SMALLEST_TEMPERATURE)));
  let left = u;
  const drawn = p.findIndex((of) => (left -= of) < 0);
  return drawn < 0 ? best : drawn; // the sum may fall short of 1
}
