/*
 * The worker of a page: it holds the model and answers questions. Every question has an `id`, and so has every answer;
 * one that cannot be answered gets { id, error }, one line.
 *
 *   open      model: "model.json", weights: ArrayBuffer  ->  { ready: true }
 *   read      slot, text, edits, row: null for the last, head: "L.H" or null, words: [one, other] or null, exact: whether
 *             these are next words as they were found, to which no space is added
 *             ->  { tokens: [{ id, text }], dropped, started, row, stale, anchors, unseen, before: View, after: View or null }
 *   generate  slot, text, edits, n, temperature, seed  ->  { token: { id, text, whole } } for each, `whole` being the text
 *             with all that has followed, then { done: true, text, ids, ended: whether the model has ended the text }
 *   stop      ends what is being generated  ->  { stopped: true }
 */

const NEXT = 6; // words
const NO_EDITS = { off: {}, rows: [] };
const NO_ODDS = { odds: null, adds: null, rest: null };
const EMPTY = "the text is empty; type or paste one";

/** What is known of one text: a reading without edits, one with them, and of each what was found last (`kept`). */
const textSlot = (network) => ({ before: { reading: new Reading(network) }, after: { reading: new Reading(network) } });

/** What `find` gives, which stays in `of` under a name while the key is the same: another row or head changes nothing. */
function kept(of, name, key, find) {
  const written = JSON.stringify(key);
  if (of[name]?.key !== written) of[name] = { key: written, found: find() };
  return of[name].found;
}

class LiveWorker {
  constructor(answer) {
    this.answer = answer;
    this.generation = 0; // number of the newest one
  }

  /** Answers a question; whatever fails becomes one line. */
  async on(question) {
    const { id, ask } = question;
    try {
      if (!["open", "read", "generate", "stop"].includes(ask)) throw new Error(`ask=${ask}: must be open, read, generate or stop`);
      if (ask !== "open" && !this.network) throw new Error("the model is not open yet");
      const answer = await this[ask](question);
      this.answer({ id, ...answer });
    } catch (error) {
      this.answer({ id, error: String(error.message).replace(/\s+/g, " ") });
    }
  }

  open({ model, weights }) {
    this.tokenizer = new Tokenizer(model.tokenizer);
    this.network = new Network(model.config, readTensors(model.tensors, new Uint8Array(weights)));
    this.slots = { one: textSlot(this.network), other: textSlot(this.network) };
    return { ready: true };
  }

  /**
   * The ids that the model sees of a text, at most a block; how many before them it does not; and edits: `applied`, each
   * with its `anchor`, the ids up to its row, and `stale`, the indices of those whose anchor is no longer there.
   */
  sight(text, edits = NO_EDITS) {
    const all = this.tokenizer.encodeDocument(text);
    const dropped = contextStart(all.length, this.network.config.block_size);
    const tokens = all.slice(dropped);
    const stands = ({ row, anchor }) => row < tokens.length && (!anchor || anchor.join() === tokens.slice(0, row + 1).join());
    const rows = edits.rows.filter(stands).map((edit) => ({ ...edit, anchor: tokens.slice(0, edit.row + 1) }));
    const stale = [...edits.rows.keys()].filter((i) => !stands(edits.rows[i]));
    const applied = { off: edits.off, rows };
    return { tokens, dropped, applied, stale, changes: rows.length > 0 || Object.keys(edits.off).length > 0 };
  }

  /**
   * The answer to "read". View = { next: as nextWords, weights: `head`'s row [row + 1] or null; odds, adds, rest: as
   * oddsOfWords, or null; oddsError: why the words have no odds, or null; only in `after`, rows: {"L.H": how much the row
   * of each head has moved, half the sum of absolute differences} }. `unseen`: of each edit that applies, whether it
   * changes nothing because its head does not see its words.
   */
  read({ slot, text, edits, row, head, words, exact }) {
    if (!text) throw new Error(EMPTY);
    const { tokens, dropped, applied, stale, changes } = this.sight(text, edits);
    const at = row ?? tokens.length - 1;
    if (!(at in tokens)) throw new Error(`row=${at}: the model sees ${tokens.length} tokens; give 0 to ${tokens.length - 1}`);
    if (head !== null && !this.network.heads.includes(head)) throw new Error(`head ${head}: this model has no such head`);
    const { before, after } = this.slots[slot];
    before.reading.read(tokens, NO_EDITS);
    const parted = words && kept(before, "parted", [tokens, words, exact], () => this.part(before.reading, tokens, words, exact));
    const odds = (of, own) =>
      kept(of, "odds", [tokens, own, parted], () => oddsOfWords(of.reading, tokens, own, parted));
    const view = (of, own) => ({
      next: this.next(of, tokens, own),
      weights: head && Array.from(weightsOf(of.reading, head, at)),
      oddsError: parted?.error ?? null,
      ...(parted && !parted.error ? odds(of, own) : NO_ODDS),
    });
    return {
      tokens: this.tokenizer.show(tokens).map((shown, i) => ({ id: tokens[i], text: shown })),
      dropped,
      started: !dropped && tokens[0] === this.tokenizer.end,
      row: at,
      stale,
      anchors: applied.rows.map(({ anchor }) => anchor),
      before: view(before, NO_EDITS),
      after: changes ? { ...view(after, applied), rows: this.moved(before.reading, after.reading, at) } : null,
      unseen: applied.rows.map((edit) => !this.inSight(edit)),
    };
  }

  /** Whether the head of an edit can attend, from its row, to a token of each of its words. */
  inSight({ head, row, a, b = a }) {
    const { attention } = this.network.blocks[+head.split(".")[0]];
    const distances = ([start, end]) => Array.from({ length: end - start }, (_, i) => row - start - i);
    return [a, b].every((span) => distances(span).some((distance) => attention.mask(distance)));
  }

  part(reading, tokens, words, exact) {
    try {
      return partWords(reading, tokens, NO_EDITS, this.tokenizer, words, exact);
    } catch (error) {
      return { error: error.message };
    }
  }

  /** The next words, which stay as they are while another row or head is asked for. */
  next(of, tokens, edits) {
    const words = kept(of, "next", [tokens, edits], () => nextWords(of.reading, tokens, edits, this.tokenizer, NEXT));
    of.reading.read(tokens, edits);
    return words;
  }

  moved(before, after, row) {
    const change = (head) => {
      const now = weightsOf(after, head, row);
      return weightsOf(before, head, row).reduce((sum, weight, key) => sum + Math.abs(weight - now[key]), 0) / 2;
    };
    return Object.fromEntries(this.network.heads.map((head) => [head, change(head)]));
  }

  /** Ends at the end token, which no text in a box can hold, at the latest. */
  async generate({ id, slot, text, edits, n, temperature, seed }) {
    const number = ++this.generation;
    const { tokens, dropped, applied, changes } = this.sight(text, edits);
    if (!tokens.length) throw new Error(EMPTY); // in a model without an end token, after which one begins
    const { reading } = this.slots[slot][changes ? "after" : "before"];
    let [context, own] = [tokens, applied];
    const ids = [];
    while (ids.length < n && ids.at(-1) !== this.tokenizer.end) {
      await messages();
      if (this.generation !== number) break;
      ({ tokens: context, edits: own } = readEnd(reading, context, own));
      const token = sample(nextLogits(reading), temperature, uniform(seed, dropped + tokens.length + ids.length));
      ids.push(token);
      context = [...context, token];
      this.answer({ id, token: { id: token, text: this.tokenizer.shown[token], whole: this.followed(text, ids) } });
    }
    return { done: true, text: this.followed(text, ids), ids, ended: ids.at(-1) === this.tokenizer.end };
  }

  /** `text` and what follows it, without half a character at the end. */
  followed(text, ids) {
    const more = new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.tokenizer.decodeBytes(ids), { stream: true });
    const { start } = this.tokenizer;
    return text + (!text && more.startsWith(start) ? more.slice(start.length) : more);
  }

  stop() {
    this.generation++;
    return { stopped: true };
  }
}

const weightsOf = (reading, head, row) => reading.pattern(...head.split(".").map(Number), row);

/** Lets messages in that have come meanwhile. */
const messages = () => new Promise((resolve) => setTimeout(resolve));

const worker = new LiveWorker((answer) => self.postMessage(answer, {}));
self.addEventListener("message", ({ data }) => worker.on(data));
