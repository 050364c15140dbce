/* How heads were measured in a text, in a few words. */

const TEXT_TERMS = {
  "What heads attend to":
    "Every pair of a token and a token that it can see belongs to one relation, the first of the list that holds. Shares of attention are means over all tokens but the first of each window, and sum to 1.",
  Uniform: "What attention spread evenly over all tokens in sight gives to the same relation in the same text.",
  "What it costs to do without a head":
    "The loss with the head's output replaced, minus the model's own loss: positive if the model needs the head. The mean at each position keeps what depends on the position alone; the mean over all positions takes that away, too; another window's output keeps the head's usual variety.",
  "A role in a text":
    "By its cost: the kind of token that costs most without the head, at least 0.05 nats, p below 0.01 adjusted for all heads and kinds, and its whole interval above all heads of untrained networks of this shape. By attention: at least 40 % of the attention where there is such a token in sight, and twice what uniform attention gives. The kind is the one that costs most in this same text; its interval is not adjusted for that choice.",
};

function textFacts({ text }) {
  return {
    text: `${thousands(text.tokens)} tokens in ${counted(text.windows, "window")} of ${text.window}, from ${counted(text.documents, "document")}`,
    "in the text": `95 % intervals are over ${text.clusters}; p flips the signs of ${text.flipped}`,
    language: text.language ?? "none given",
  };
}
