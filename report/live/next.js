/* The next words with their probabilities, before and after what was changed, and the log-odds of two words. */

const NEXT_SHOWN = 6; // words
const MOST_WORD = 60; // characters of a typed one
const QUIET = 900; // milliseconds without a change, after which a screen reader hears the next word

/**
 * How likely a word is: {p, shown}. One that is not among `next` is less likely than its first token, if another of them
 * begins with that; else than the least likely first token.
 */
function likelihood(next, { ids: [first], text }) {
  const word = next.find((other) => other.text === text);
  if (word) return { p: word.p, shown: chance(word.p) };
  const firsts = new Map(next.map(({ ids, pieces }) => [ids[0], pieces[0].p]));
  return { p: 0, shown: `< ${chance(firsts.get(first) ?? Math.min(...firsts.values())).replace("< ", "")}` };
}

/** The words to list, the likeliest now and the likeliest two before: [{text, written, now, was, ...}]. */
function nextRows({ before, after }) {
  const { next } = after ?? before;
  const lost = before.next.slice(0, 2).filter(({ text }) => !next.some((word) => word.text === text));
  return [...next.slice(0, NEXT_SHOWN - lost.length), ...lost].map((word) => ({
    ...word,
    now: likelihood(next, word),
    was: likelihood(before.next, word),
  }));
}

/** What to call words beside each other: without spaces, except where two of them would then be the same. */
function namesOf(texts) {
  const names = texts.map((text) => text.trim() || text);
  const isOnly = (name) => names.indexOf(name) === names.lastIndexOf(name);
  return names.map((name, i) => (isOnly(name) ? name : texts[i].replace(/^ /, "␣")));
}

class NextWords {
  /** `write(text)` puts a word after those that are there. */
  constructor(slot, live, answers, write) {
    Object.assign(this, { slot, live, answers, write, spoken: null });
    this.title = h("h3", {}, "Next word");
    this.list = h("ol", { class: "nextwords" });
    this.odds = h("p", { class: "odds" });
    this.heard = h("p", { class: "unseen", "aria-live": "polite" });
    this.columns = h("p", { class: "nexthead", "aria-hidden": "true" }, h("span", {}, "now"), h("span", {}, "before"));
    this.rows = Array.from({ length: NEXT_SHOWN }, () => this.row());
    this.list.append(...this.rows.map(({ node }) => node));
    this.node = h(
      "div",
      { class: "next" },
      h("div", { class: "nexttitle" }, this.title, this.columns),
      this.list,
      this.odds,
      this.heard,
    );
  }

  row() {
    const name = h("bdi", { class: "name" });
    const [now, was] = ["value", "value was"].map((kind) => h("span", { class: kind }));
    const bar = h("span", { class: "nextbar", "aria-hidden": "true" });
    const row = { name, now, was, bar, text: null };
    row.button = h(
      "button",
      { type: "button", onclick: () => row.text !== null && this.write(row.text) },
      name,
      bar,
      now,
      was,
    );
    row.node = h("li", {}, row.button);
    return row;
  }

  draw() {
    const answer = this.answers.state[this.slot];
    const compared = Boolean(answer?.after);
    this.node.classList.toggle("compared", compared);
    const rows = answer ? nextRows(answer) : [];
    const names = namesOf(rows.map(({ text }) => text));
    const listed = rows.map((row, i) => ({ ...row, name: names[i] }));
    this.rows.forEach((row, i) => {
      row.node.classList.toggle("none", !listed[i]);
      if (listed[i]) this.fill(row, listed[i], compared);
    });
    if (this.slot === "other") this.odds.textContent = answer ? describeOtherOdds(answer) : "";
    const likeliest = listed.slice(0, 2).map(({ name, now }) => `${name} ${now.shown}`);
    this.say(answer ? `next word: ${likeliest.join(", ")}` : "");
  }

  fill(row, { name, written, now, was }, compared) {
    row.text = written;
    row.name.textContent = name;
    row.now.textContent = now.shown;
    row.was.textContent = compared ? was.shown : "";
    row.bar.style.setProperty("--p", now.p.toFixed(4));
    row.bar.style.setProperty("--was", compared ? was.p.toFixed(4) : 0);
    row.button.disabled = row.text === null;
    const before = compared ? `, ${was.shown} before` : "";
    row.button.setAttribute("aria-label", `write “${name}”, ${now.shown}${before}`);
  }

  /** For a screen reader, once the person has stopped typing. */
  say(text) {
    if (text === this.spoken) return;
    this.spoken = text;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.heard.textContent = text), QUIET);
  }
}

/** log P(one) - log P(other), before and after what was changed, or why there is none. */
function describeOdds({ before, after }) {
  if (before.oddsError) return before.oddsError;
  if (before.odds === null) return "";
  const now = after ? `${signed(before.odds)} → ${signed(after.odds)}` : signed(before.odds);
  return `${now} nats`;
}

/** The same for the second text, which has no fields for the two words. */
function describeOtherOdds(answer) {
  const odds = describeOdds(answer);
  const [one, other] = namesOf(answer.question.words ?? []);
  return odds && `Log-odds of “${one}” against “${other}”: ${odds}`;
}

/** Two fields for the words of the log-odds; both empty: the likeliest two. */
class OddsWords {
  constructor(live, answers) {
    Object.assign(this, { live, answers, own: null });
    this.fields = ["for", "against"].map((name) =>
      h("input", {
        type: "text",
        maxlength: MOST_WORD,
        spellcheck: "false",
        autocomplete: "off",
        autocapitalize: "none",
        "aria-label": `log-odds: the word ${name}`,
        oninput: () => this.choose(),
      }),
    );
    const [one, other] = this.fields;
    this.value = h("b", {});
    this.node = h(
      "p",
      { class: "odds", title: "log P(word) − log P(other word)" },
      "Log-odds of ",
      one,
      " against ",
      other,
      this.value,
    );
  }

  choose() {
    const typed = this.fields.map((field) => field.value.trim());
    this.own = typed.every(Boolean) ? typed : null;
    this.live.set({ words: this.own });
    this.draw();
  }

  draw() {
    const { words: chosen } = this.live.state;
    const { one: answer } = this.answers.state;
    const likeliest = namesOf(likeliestWords(this.answers.state) ?? []);
    this.fields.forEach((field, i) => {
      field.placeholder = likeliest[i] ?? "";
      if (chosen !== this.own) field.value = chosen?.[i] ?? ""; // chosen elsewhere
    });
    this.own = chosen;
    const half = this.fields.filter(({ value }) => value.trim()).length === 1; // then they are not of the words shown
    this.value.textContent = half ? "Type the other word, too." : answer ? describeOdds(answer) : "";
  }
}
