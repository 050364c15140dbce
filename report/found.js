/* Readings of heads.json that several sections share. */

/** [name, accuracy] of the baseline that is right most often. */
const bestBaseline = ({ baselines }) =>
  Object.entries(baselines).reduce((best, other) => (other[1] > best[1] ? other : best));

/** What may be said of a head in a task. */
function verdictOf({ resolved }, { looks, matters }) {
  if (!resolved) return "not interpreted";
  if (!looks) return "";
  return matters ? "looks, matters" : "looks";
}
