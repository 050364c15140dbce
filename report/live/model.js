/* The model, which runs in a worker: questions with numbers, answers with the same numbers. */

const DAMAGED =
  "The model's weights in this page are damaged. Save or copy the page once more; the rest of it is as it was.";
const NO_STREAMS = "The model does not run here: this browser has no DecompressionStream.";

class LiveModel {
  /** `source`: the worker's script. `onfail(error)` is called if the worker itself ends. */
  constructor(source, onfail) {
    this.asked = new Map(); // by number: what to do with the answer
    this.waiting = new Map(); // by slot: the newest reading that has not begun
    this.reading = new Set(); // slots
    this.numbers = 0;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(url);
    this.worker.addEventListener("message", ({ data }) => this.onanswer(data));
    this.worker.addEventListener("error", (event) => {
      event.preventDefault(); // it is shown on the page
      onfail(new Error(event.message || "its worker has ended"));
    });
  }

  /** The answer to a question; `ontoken` gets what comes before it. Rejects with the worker's one line. */
  ask(question, { transfer = [], ontoken } = {}) {
    const id = ++this.numbers;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject, ontoken });
      this.worker.postMessage({ id, ...question }, { transfer });
    });
  }

  /** Ends what is being generated. */
  stop() {
    this.worker.postMessage({ id: ++this.numbers, ask: "stop" }, {});
  }

  onanswer({ id, ...answer }) {
    const asked = this.asked.get(id);
    if (!asked) return;
    if (answer.token) {
      asked.ontoken?.(answer.token);
      return;
    }
    this.asked.delete(id);
    if (answer.error === undefined) asked.resolve(answer);
    else asked.reject(new Error(answer.error));
  }

  /** Reads the text of a slot, one at a time; of those that wait, only the newest is read. Null for the others. */
  read(question) {
    const { slot } = question;
    return new Promise((resolve, reject) => {
      this.waiting.get(slot)?.resolve(null);
      this.waiting.set(slot, { question, resolve, reject });
      if (!this.reading.has(slot)) this.readNext(slot);
    });
  }

  async readNext(slot) {
    const next = this.waiting.get(slot);
    if (!next) return;
    this.waiting.delete(slot);
    this.reading.add(slot);
    try {
      next.resolve(await this.ask({ ask: "read", ...next.question }));
    } catch (error) {
      next.reject(error);
    }
    this.reading.delete(slot);
    this.readNext(slot);
  }
}

/** Unpacks the model and starts it; rejects with one line that says why it does not run. */
async function openModel(json, onfail) {
  if (!("Worker" in globalThis)) throw new Error("this browser has no Worker.");
  const { shape, start } = json.tensors.at(-1);
  let source, weights;
  try {
    [source, weights] = await Promise.all([unpack("worker.js"), unpack("weights")]);
  } catch (cause) {
    throw new Error(cause instanceof RangeError ? "its weights need more memory than there is." : DAMAGED, { cause });
  }
  const numbers = start + shape.reduce((product, n) => product * n, 1);
  if (weights.length !== 2 * numbers) throw new Error(DAMAGED);
  const model = new LiveModel(new TextDecoder().decode(source), onfail);
  await model.ask({ ask: "open", model: json, weights: weights.buffer }, { transfer: [weights.buffer] });
  return model;
}
