/* How it was measured: a list of terms and what they mean. */

const NATS = {
  Nats: "Natural logarithms of probabilities or odds: one nat less means that these fall to 37 %.",
};
const TERMS = {
  Site: "A causal model cannot look ahead, so a head is measured at several words: before the pronoun (P-1), at the pronoun (P), at the cue (C), at the word that predicts the answer (A-1), and at the answer (A), where no head is chosen.",
  "Choice accuracy":
    "The share of cases in which the head gives what is meant more attention than the other candidate; ties count one half. Mass is the attention that what is meant gets; “× uniform” is mass as a multiple of what uniform attention would give it, “× untrained” of what the heads of the same layer in eight untrained networks give it.",
  Looks:
    "Four conditions: the model itself resolves the task; the lower end of the head's interval is above every baseline; its p, adjusted for all heads and sites, is below 0.01; its mass is at least what uniform attention would give.",
  Matters:
    "A weight swap exchanges the head's attention to the two candidates and changes nothing else. Its cost is the fall of log P(answer) − log P(foil), in nats. A head that looks matters if the whole interval of this cost is above 0.1 nats and above the mean size of the same swap's effect, up or down, in every head that does not look, and if its p, adjusted for all heads and all tasks, is below 0.01.",
  Foil: "What the answer would be if the other candidate were meant.",
  "Resample ablation": "The head's output is replaced by its output on another case.",
  "Chosen again":
    "The choice of the head is repeated on 200 resamples of the cases that heads are chosen on: in how many the same head comes out, and which other comes out most often. Whole templates are resampled, then whole groups of words; of the two, the smaller number is given.",
  "Would have been found":
    "What is not shown may still be there. This is the smallest choice accuracy (for looks) or effect of a weight swap (for matters) that would have been found in four of five draws of as many cases.",
  Interval:
    "95 %, over templates and over groups of words, whichever is wider; never narrower than the exact binomial interval.",
  "Negative control":
    "Two counterfactuals that differ only after the pronoun are the same text up to it, so every head must be right in exactly half of such cases there. Anything else would be a bug.",
  "What attention does not say":
    "That a head looks does not mean that it matters, so both are measured. That no head looks does not mean that the model does not resolve the reference. All of this holds for these cases and this model.",
};

/** How cases on which heads are reported differ from those on which they are chosen, by where they come from. */
const OTHERS = {
  stories: "with other pairs of words and other combinations of openings and endings",
  text: "from other documents or other parts of the text",
};

/** Two terms that depend on the run: what the cases were, and which baselines they had. */
function termsOf({ heads: { model, tasks }, page }) {
  const known = (model.cases ?? "").split(" and ").map((part) => lookup(OTHERS, part));
  const others = known.every(Boolean)
    ? known.join(", or ")
    : "of other templates, unless their file says which case is for which";
  const names = Object.keys(Object.values(tasks)[0]?.baselines ?? page.baselines);
  return {
    "Chosen and reported": `Heads, sites and baselines are chosen on one set of cases and reported on another, ${others}.`,
    Baselines: `${names.map((name) => `${name}: ${lookup(page.baselines, name) ?? name}`).join("; ")}.`,
  };
}

function factsOf({ heads: { model, tasks }, text }) {
  const cases = Object.values(tasks).reduce((sum, { cases: n }) => sum + n, 0);
  const shape = `${counted(model.n_layer, "layer")} (${model.attention}), ${counted(model.n_head, "head")} each, ${model.n_embd} wide, block of ${model.block_size} tokens`;
  const facts = {
    run: model.run,
    step: model.step === undefined ? null : thousands(model.step),
    checkpoint: model.checkpoint,
    cases: cases ? model.cases : null,
    "references mined in": cases ? model.mined_in : null,
    seed: model.seed,
    "reported on": cases ? `${thousands(cases)} cases of ${Object.keys(tasks).length} tasks` : null,
    ...(text ? textFacts(text) : {}),
    network: `${shape}, vocabulary of ${thousands(model.vocab_size)}`,
  };
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined && value !== null));
}

function methodSection(found) {
  const ofTasks = Object.keys(found.heads.tasks).length || !found.text ? { ...TERMS, ...termsOf(found) } : {};
  const limits = { "What attention does not say": TERMS["What attention does not say"] };
  const list = (pairs) => Object.entries(pairs).map(([term, text]) => [h("dt", {}, term), h("dd", {}, `${text}`)]);
  return section(
    "method",
    "How this was measured",
    "docs/how-heads-are-measured.md and docs/circuits.md have the formulas and say what may be concluded.",
    h("dl", {}, list({ ...NATS, ...(found.text ? TEXT_TERMS : {}), ...ofTasks, ...limits })),
    h("h3", {}, "This run"),
    h("dl", {}, list(factsOf(found))),
  );
}
