/* The heads, layers x heads: which is chosen, which are off, what each adds to a word, how far its row has moved. */

const SEEN_TO_MOVE = 0.005; // of a row's mass
const OFF_IN_WORDS = { zero: "off", mean: "replaced by its mean" };
const OFF_MEANINGS = {
  zero: "its output becomes 0, at every word (zero ablation)",
  mean: "its output becomes its mean over held-out text, at every word (mean ablation)",
};

/** A cell: {node, show}. `show` gets {added, most}, what its head adds and the most that any adds; {shift}, how far its
 *  row has moved; {how}, how it is off. */
function liveCell(name, role, dense, onclick) {
  const [moved, off, adds] = ["moved", "off", "adds"].map((kind) => h("span", { class: kind }));
  const bar = h("span", { class: "addbar", "aria-hidden": "true" });
  const does = h("span", { class: "does" }, off, role?.short ?? "");
  const top = h("span", { class: "top" }, h("span", { class: "name" }, name), moved);
  const node = h(
    "div",
    {
      role: "gridcell",
      class: "livehead",
      "data-live": name,
      "--role": role?.colour,
      onclick,
    },
    dense ? [bar, off] : [top, does, h("span", { class: "bottom" }, bar, adds)],
  );
  return {
    node,
    show(values) {
      const { added, most, shift, how } = values;
      node.classList.toggle("isoff", Boolean(how));
      bar.style.setProperty("--add", (most ? (added ?? 0) / most : 0).toFixed(3));
      bar.classList.toggle("less", added < 0);
      adds.textContent = added === null ? "" : signed(added);
      moved.textContent = shift >= SEEN_TO_MOVE ? `↔ ${shift.toFixed(2)}` : "";
      node.style.setProperty("--shift", (shift ?? 0).toFixed(3));
      off.textContent = how ? (dense ? "×" : how === "zero" ? "off " : "mean ") : "";
      const label = describeCell(name, role, values);
      node.setAttribute("aria-label", label);
      node.title = label;
    },
  };
}

function describeCell(name, role, { added, shift, how }) {
  const parts = [`head ${name}`];
  if (how) parts.push(OFF_IN_WORDS[how]);
  if (role) parts.push(role.text);
  if (added !== null) parts.push(`adds ${signed(added)} nats`);
  if (shift >= SEEN_TO_MOVE) parts.push(`its row moved by ${shift.toFixed(2)}`);
  return parts.join(", ");
}

class LiveHeads {
  /** `config` of model.json; `roles`: {"L.H": {text, short, colour}}. */
  constructor(live, answers, config, roles) {
    Object.assign(this, { live, answers });
    this.shown = new Map(); // cells by name
    const grid = headGrid({
      view: live,
      n: config.n_head,
      types: config.attention_types,
      kind: "liveheads",
      label: "heads of the model; arrow keys choose one, Enter switches it off and on",
      cell: (name, dense) => {
        this.shown.set(name, liveCell(name, lookup(roles, name), dense, () => live.set({ head: name })));
        return this.shown.get(name).node;
      },
    });
    Object.assign(this, grid);
    onKey(this.node, (event) => this.onkey(event));
  }

  onkey(event) {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (event.repeat) return; // a key that is held
    const { off } = this.live.state;
    const head = event.target.dataset.live;
    this.live.set(withHead({ off }, head, off[head] ? null : "zero"));
  }

  draw() {
    const { head, off } = this.live.state;
    const { one } = this.answers.state;
    const view = one?.after ?? one?.before;
    const added = Object.values(view?.adds ?? {});
    const most = Math.max(1e-9, ...added.map(Math.abs));
    roving(this.cells, head);
    for (const [name, { show }] of this.shown)
      show({
        added: view?.adds?.[name] ?? null,
        most,
        shift: one?.after?.rows?.[name] ?? 0,
        how: off[name] ?? null,
      });
  }
}

/** The chosen head, in words, and what can be done with it. */
class ChosenHead {
  constructor(live, answers, roles, hasMeans) {
    Object.assign(this, { live, answers, roles });
    const hows = hasMeans ? ["zero", "mean"] : ["zero"];
    this.buttons = hows.map((how) => h("button", { type: "button", "data-how": how, onclick: () => this.toggle(how) }));
    this.title = h("h3", {});
    this.text = h("p", { class: "livestatus" });
    this.sums = h("p", { class: "livestatus" });
    this.moved = h("p", { class: "livestatus moved" });
    this.node = h(
      "div",
      { class: "livehow" },
      h("div", { class: "headmenu" }, this.title, this.buttons),
      this.text,
      this.sums,
      this.moved,
    );
  }

  toggle(how) {
    const { head, off } = this.live.state;
    this.live.set(withHead(this.live.state, head, off[head] === how ? null : how));
  }

  draw() {
    const { head, off } = this.live.state;
    const { one, other } = this.answers.state;
    this.title.textContent = `Head ${head}`;
    for (const button of this.buttons) {
      const { how } = button.dataset;
      const isOff = off[head] === how;
      button.textContent = isOff ? "Switch on" : how === "zero" ? "Switch off" : "Use its mean";
      button.title = isOff ? "" : OFF_MEANINGS[how];
    }
    const role = lookup(this.roles, head);
    this.text.textContent = role ? `Its roles: ${role.text}.` : "";
    this.sums.textContent = describeAdds(one, head);
    this.moved.textContent = describeMoved(one, other);
  }
}

function describeAdds(answer, head) {
  const view = answer?.after ?? answer?.before;
  const own = view?.adds?.[head];
  if (own === undefined) return "";
  const [one, other] = namesOf(answer.question.words);
  const sum = Object.values(view.adds).reduce((total, value) => total + value, 0);
  const was = answer.after?.adds && answer.before.adds ? ` (${signed(answer.before.adds[head])} before)` : "";
  return `It directly adds ${signed(own)} nats${was} to “${one}” against “${other}”. All heads: ${signed(sum)}; the rest of the network: ${signed(view.rest)}.`;
}

function describeMoved(answer, second) {
  if (!answer?.after) return second?.after ? "Only the second text is changed; bars and rows here are of the first." : "";
  const moved = Object.entries(answer.after.rows ?? {})
    .filter(([, shift]) => shift >= SEEN_TO_MOVE)
    .sort(([, one], [, other]) => other - one);
  const from = tokenTexts(answer)[answer.row].trim();
  if (!moved.length) return `From “${from}”, no head's row has moved.`;
  return `From “${from}”, the rows that moved most: ${moved
    .slice(0, 4)
    .map(([name, shift]) => `${name} by ${shift.toFixed(2)}`)
    .join(", ")}.`;
}
