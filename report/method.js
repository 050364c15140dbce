/* How it was measured, in as many words as it takes. */

const TERMS = {
  Site: "A causal model cannot look ahead, so a head is asked at several words: before the pronoun (P-1), at it (P), at the cue (C), at the word that predicts the answer (A-1), and at the answer (A), where no head is chosen.",
  "Choice accuracy":
    "The share of cases in which the head gives what is meant more attention than the other candidate; ties count one half. Mass is how much attention that is, “× uniform” how many times what attention spread evenly would give.",
  Looks:
    "The model itself resolves the task, the lower end of the head's interval is above every baseline, its p, adjusted for all heads and sites, is below 0.01, and its mass is at least what uniform attention would give.",
  Matters:
    "Swapping what the head gives to the two candidates, and nothing else, costs the answer more, with its whole interval, than the same swap changes it on average, up or down, in any head that does not look. Cost: the change of log P(answer) − log P(foil), in nats.",
  Interval:
    "95 %, over templates and over groups of words, whichever is wider; never narrower than the exact binomial interval.",
  "Negative control":
    "Counterfactuals that differ only after the pronoun are the same text at the pronoun, so every head must be right in exactly half of them. Anything else would be a bug.",
  "What attention does not say":
    "That a head looks does not make it the cause, so both are measured. That no head looks does not mean that nothing refers: what is said here holds for these cases and this model.",
};

/** Two terms that depend on the run: what the cases were, and which baselines they had. */
function termsOf({ heads: { model, tasks }, page }) {
  const others =
    model.cases === "stories"
      ? "with other pairs of words and other combinations of openings and endings"
      : "of other templates, unless their file says which case is for which";
  const names = Object.keys(Object.values(tasks)[0]?.baselines ?? page.baselines);
  return {
    "Chosen and quoted": `Heads, sites and baselines are chosen on one set of cases and quoted on another, ${others}.`,
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
    seed: model.seed,
    "quoted on": cases ? `${thousands(cases)} cases of ${Object.keys(tasks).length} tasks` : null,
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
    "The formulas, and what may be concluded from them, stand in docs/how-heads-are-measured.md.",
    h("dl", {}, list({ ...(found.text ? TEXT_TERMS : {}), ...ofTasks, ...limits })),
    h("h3", {}, "This run"),
    h("dl", {}, list(factsOf(found))),
  );
}
