/* Why a head looks: its score of what is meant less that of the other candidate, by what query and key are made of. */

const LISTED_PARTS = 8;
const SURELY_NOTHING = 0.005; // rounds to 0.00
const PART_WORDS = { token: "the token itself", position: "its position", biases: "biases" };

const partName = (name) => lookup(PART_WORDS, name) ?? (/^\d+\.\d+$/.test(name) ? `head ${name}` : name);

/** The pairs of components with the largest contributions: [query's part, key's part, mean]. */
function strongestPairs({ matrix, query, key }, n) {
  const pairs = matrix.flatMap((row, i) => row.map((mean, j) => [query[i].name, key[j].name, mean]));
  return pairs.toSorted(([, , one], [, , other]) => Math.abs(other) - Math.abs(one)).slice(0, n);
}

function describeScores({ resolved, score_parts: found }) {
  if (!resolved) return NOT_INTERPRETED;
  if (found.not_measured) return `Not measured: ${found.not_measured}.`;
  const { head, site, total, distance } = found;
  const [[query, key, most]] = strongestPairs(found, 1);
  const times = thousands(+Math.exp(total.mean).toPrecision(2));
  const share = distance === null ? "" : ` Distance adds ${signed(distance.mean)}.`;
  return `At ${site}, head ${head} scores what is meant ${nats(total.mean)} higher than the other candidate (${natsInterval(total.ci)}): ${times} times the weight.${share} The largest part, ${signed(most)}, comes from ${partName(query)} in the query with ${partName(key)} in the key.`;
}

/** One side's parts as bars, the largest first, those left out added up. */
function partList(title, parts) {
  const sorted = parts.toSorted((one, other) => Math.abs(other.mean) - Math.abs(one.mean));
  const shown = sorted.filter(({ mean }) => Math.abs(mean) >= SURELY_NOTHING).slice(0, LISTED_PARTS);
  const rest = sorted.filter((part) => !shown.includes(part));
  const longest = Math.max(...parts.map(({ mean }) => Math.abs(mean)), 1e-9);
  const item = (name, mean, ci) =>
    h(
      "li",
      { "data-part": name },
      h("span", { class: "of" }, name),
      h("span", { class: mean < 0 ? "addbar less" : "addbar", "aria-hidden": "true", "--add": mean / longest }),
      h("span", { class: "value" }, signed(mean)),
      h("span", { class: "range" }, ci ? natsInterval(ci) : ""),
    );
  return h(
    "div",
    {},
    h("h3", {}, title),
    h(
      "ul",
      { class: "parts" },
      shown.map(({ name, mean, ci }) => item(partName(name), mean, ci)),
      rest.length ? item(counted(rest.length, "other part"), rest.reduce((sum, { mean }) => sum + mean, 0)) : null,
    ),
  );
}

function scoresTable(task, found) {
  const name = ({ name: own }) => partName(own);
  return table(
    `Score difference by part of query (rows) and key (columns) in ${words(task)}`,
    ["query \\ key", ...found.key.map(name), "all"],
    [
      ...found.matrix.map((row, i) => [name(found.query[i]), ...row.map((mean) => nats(mean)), nats(found.query[i].mean)]),
      ["all", ...found.key.map(({ mean }) => nats(mean)), nats(found.total.mean)],
    ],
  );
}

const MOST_COLUMNS = 40; // of a table

function scoresDetails(task, found) {
  if (found.matrix.length <= MOST_COLUMNS) return scoresTable(task, found);
  const rows = strongestPairs(found, MOST_COLUMNS).map(([query, key, mean]) => [partName(query), partName(key), nats(mean)]);
  return table(`The largest parts of the score difference in ${words(task)}`, ["query", "key", "mean"], rows);
}

function scoresSection(view, { heads }) {
  const sentence = h("p", {});
  const lists = h("div", { class: "columns" });
  const details = h("details", {});
  view.watch(({ task }, changed) => {
    if (!changed("task")) return;
    const own = heads.tasks[task];
    const found = own.score_parts?.not_measured ? null : own.score_parts;
    sentence.textContent = describeScores(own);
    lists.replaceChildren(...(found ? [partList("In the query", found.query), partList("In the key", found.key)] : []));
    details.hidden = !found;
    if (found)
      details.replaceChildren(h("summary", {}, "Every part of the query with every part of the key"), scoresDetails(task, found));
  });
  return section(
    "scores",
    "Why it looks",
    "The score difference of the task's chosen head: its score (before the softmax) of the candidate that is meant less that of the other, split exactly into what each part of the model has written into the query and into the key. A difference of 1 is 2.7 times the weight. Ranges are 95 % intervals.",
    sentence,
    lists,
    details,
  );
}
