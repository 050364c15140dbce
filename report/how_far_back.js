/* How far back a model has to look: its loss when no head may look further than so many tokens. */

/** The band is of what is lost beside all tokens in sight, in the same texts: texts differ by much more than that. */
function reachSpec({ points, enough }, label, onpoint) {
  const { limit: last, loss: whole } = points.at(-1);
  const band = points.map(({ limit, cost_ci: [least, most] }) => [limit, whole + least, whole + most]);
  const [low, high] = [Math.min, Math.max].map((pick) => pick(...band.flatMap(([, ...ends]) => ends)));
  const mark = points.find(({ limit }) => limit === enough);
  return {
    label,
    height: 280,
    x: { min: 1, max: last, map: Math.log2, ticks: points.map(({ limit }) => [limit, `${limit}`]) },
    y: { min: low, max: high, ticks: ticksBetween(low, high, 7), text: (value) => `${value}` },
    lines: [{ name: "loss", kind: "chosen", dots: true, points: points.map(({ limit, loss }) => [limit, loss]) }],
    bands: [{ points: band }],
    rules: [{ y: whole, kind: "baseline" }],
    marks: [{ x: enough, y: mark.loss, text: `about ${enough} tokens` }],
    onpoint,
  };
}

const describePoint = ({ limit, loss, ci, cost, cost_ci: costs }) =>
  `The last ${counted(limit, "token")} in sight: ${loss.toFixed(2)} nats per token (${natsInterval(ci)}), ${nats(cost)} more than with all (${natsInterval(costs)}).`;

function reachSection({ text: { how_far_back: back }, page }) {
  const sentence = page.text.how_far_back;
  const status = h("p", { class: "status" }, sentence);
  const area = chart(
    reachSpec(back, sentence, (limit) => {
      const point = back.points.find((other) => other.limit === limit);
      status.textContent = point ? describePoint(point) : sentence;
    }),
  );
  const rows = back.points.map(({ limit, loss, ci, cost, cost_ci: costs }) => [
    `${limit}`,
    `${loss.toFixed(3)} (${natsInterval(ci)})`,
    `${nats(cost, 3)} (${natsInterval(costs)})`,
  ]);
  return section(
    "reach",
    "How far back",
    "Loss in nats per token when no head may look further back than so many tokens, the token itself among them (logarithmic). Lower is better.",
    h(
      "figure",
      {},
      h(
        "p",
        { class: "key" },
        keyEntry("line chosen", "loss, 95 % interval of the difference to all tokens"),
        keyEntry("rule baseline", "all tokens in sight"),
        keyEntry("mark", `about ${back.enough} tokens: as good as all`),
      ),
      area.node,
      h("figcaption", {}, status),
    ),
    h(
      "details",
      {},
      h("summary", {}, "The same in numbers"),
      table("Loss by how many tokens are in sight", ["tokens", "loss, nats", "more than with all"], rows),
    ),
  );
}
