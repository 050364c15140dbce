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

/** Beside a verdict that something is not shown of the chosen head: what would have been found. */
function wouldBeFound({ resolved, power, best }) {
  if (!resolved || best.matters) return "";
  if (!best.looks)
    return power.choice_accuracy === null
      ? "these cases would not show even 100 %"
      : `these cases would show it, in 4 of 5 draws, from ${percent(power.choice_accuracy)} on`;
  if (!best.effects.weight_swap) return "nothing leads from there to the answer";
  return power.weight_swap_drop === null
    ? "these cases would show no effect"
    : `these cases would show it, in 4 of 5 draws, from ${power.weight_swap_drop.toFixed(1)} nats on`;
}
