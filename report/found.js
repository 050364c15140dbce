/* Readings of heads.json that several sections share. */

const NOT_INTERPRETED = "The model does not resolve this task: no head is interpreted.";

/** [name, accuracy] of the baseline that is right most often. */
const bestBaseline = ({ baselines }) =>
  Object.entries(baselines).reduce((best, other) => (other[1] > best[1] ? other : best));

/** What may be said of a head in a task. */
function verdictOf({ resolved }, { looks, matters }) {
  if (!resolved) return "not interpreted";
  if (!looks) return "";
  return matters ? "looks, matters" : "looks";
}

/** In how many resamples of the cases that heads are chosen on the same one is, and the other that is most often. */
function chosenAgain({ stability: { same_head: same, runner_up: other } }) {
  return `${same}${other ? ` (${other})` : ""}`;
}
