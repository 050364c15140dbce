/* The role map: layers x heads, and beside it what the chosen head does in each task. */

const SHORT = {
  pronoun: "pro",
  key_value: "key",
  copying: "copy",
  induction: "ind",
  subject_verb: "subj",
  word_sense: "sense",
  alignment: "align",
  previous_token: "prev",
  fixed_offset: "off",
  first_token: "first",
  same_word: "same",
};
const MEANING = {
  pronoun: "attends to what a pronoun means",
  key_value: "attends to the name that belongs to a trade mentioned before",
  copying: "attends to what came next the last time",
  induction: "attends to what came next the last time, in lists of random words",
  subject_verb: "attends from the verb to its subject, over other nouns",
  word_sense: "attends to the word that decides between two senses",
  alignment: "attends to the word that is to be translated",
  previous_token: "attends to the token before",
  fixed_offset: "attends a fixed distance back",
  first_token: "attends to the first token",
  same_word: "attends to earlier occurrences of the same token",
};
const FITTING = 4; // heads beside each other in one half of a wide page

const roleColour = (role, { colours, other_role: other }) => lookup(colours, role) ?? other;

function describeRoles(roles) {
  if (!roles.length) return "no role";
  return roles
    .map(({ role, score, matters }) => `${words(role)} ${percent(score)}${matters ? " (matters)" : ""}`)
    .join(", ");
}

function roleMap(view, { heads, page }) {
  const { n_head: n, n_layer: nLayer, attention } = heads.model;
  const { node, cells } = headGrid({
    view,
    n,
    types: Array.from({ length: nLayer }, (_, l) => attention[l % attention.length]).join(""),
    kind: "rolemap",
    label: "role map, layers by heads; arrow keys choose a head",
    cell: (name, dense) => {
      const [layer, k] = name.split(".");
      return roleCell(name, heads.all_roles[layer][k], dense, page, () => view.set({ head: name }));
    },
  });
  view.watch(({ head }, changed) => changed("head") && roving(cells, head));
  return node;
}

function roleCell(name, roles, dense, page, onclick) {
  const [strongest] = roles;
  const style = strongest
    ? { "--role": roleColour(strongest.role, page), "--strength": strongest.strength.toFixed(3) }
    : {};
  const shown = dense ? roles.slice(0, 1) : roles;
  const lines = shown.map(({ role, matters }) =>
    h(
      "span",
      { class: "role" },
      h("span", { class: "dot" }, matters ? "●" : ""),
      dense ? (lookup(SHORT, role) ?? role.slice(0, 4)) : words(role),
    ),
  );
  const title = `head ${name}: ${describeRoles(roles)}`;
  return h(
    "div",
    {
      role: "gridcell",
      class: strongest ? "cell" : "cell none",
      "aria-label": title,
      title,
      "data-head": name,
      "data-role": strongest?.role ?? "",
      onclick,
      ...style,
    },
    h("span", { class: "name" }, name),
    lines,
  );
}

function roleLegend({ heads, page }) {
  const there = new Set(heads.all_roles.flat(2).map(({ role }) => role));
  const items = [...there].map((role) =>
    legendItem(
      roleColour(role, page),
      words(role),
      ` ${lookup(MEANING, role) ?? "attends to what is meant in this task"}`,
    ),
  );
  if (!items.length) return h("p", { class: "what" }, "No head is given a role.");
  return h(
    "ul",
    { class: "legend" },
    items,
    h("li", {}, h("span", { class: "dot" }, "●"), " it matters: swapping its attention to the candidates surely makes the answer less likely"),
  );
}

/** For the chosen head, each task as a bar of choice accuracy from 0 to 100 %; a task is chosen here. */
function taskBars(view, { heads, page }) {
  const items = Object.entries(heads.tasks).map(([name, found]) =>
    taskBar(name, found, page, () => view.set({ task: name })),
  );
  view.watch(({ head, task }, changed) => {
    if (changed("head", "task")) items.forEach((item) => item.update(head, task));
  });
  return h(
    "ul",
    { class: "bars" },
    items.map(({ node }) => node),
  );
}

function taskBar(name, found, page, onclick) {
  const colour = roleColour(lookup(page.task_roles, name) ?? name, page);
  const [bar, value, verdict] = ["bar", "value", "verdict"].map((kind) => h("span", { class: kind }));
  const button = h(
    "button",
    { type: "button", "--role": colour, "--baseline": bestBaseline(found)[1], onclick },
    h("span", { class: "of" }, words(name)),
    bar,
    value,
    verdict,
  );
  return {
    node: h("li", { "data-task": name }, button),
    update(head, task) {
      const quoted = found.heads.find((other) => other.head === head);
      button.setAttribute("aria-pressed", name === task);
      bar.style.setProperty("--share", quoted.choice_accuracy);
      bar.classList.toggle("looks", quoted.looks);
      value.textContent = percent(quoted.choice_accuracy);
      verdict.textContent = verdictOf(found, quoted);
    },
  };
}

function rolesSection(view, found) {
  const { n_head: n } = found.heads.model;
  const title = h("h3", {});
  const roles = h("p", { class: "what" });
  const patterns = h("p", { class: "what" });
  view.watch(({ head }, changed) => {
    if (!changed("head")) return;
    const [layer, k] = head.split(".").map(Number);
    title.textContent = `Head ${head}`;
    roles.textContent = describeRoles(found.heads.all_roles[layer][k]);
    const own = found.heads.attention_patterns?.[head];
    patterns.textContent = own
      ? `Of its attention: ${percent(own.previous_token)} on the token before, ${percent(own.fixed_offset)} on the token ${own.offset} back, ${percent(own.first_token)} on the first, ${percent(own.same_word)} on the same word (where there is one).`
      : "";
  });
  const right = h(
    "div",
    { class: "chosen" },
    title,
    roles,
    h(
      "p",
      { class: "what" },
      "Bars: how often this head gives what is meant more attention than the other candidate, at its own best site. Ticks: the best baseline.",
    ),
    taskBars(view, found),
    patterns,
  );
  return section(
    "roles",
    "What each head does",
    "Colour: the head's strongest role. Strength of colour: how far the head is above the best baseline. Dot: the head matters to the answer. Choose a head with a click or the arrow keys.",
    h(
      "div",
      { class: n > FITTING && n <= NARROW ? "columns stacked" : "columns" },
      h("div", {}, roleMap(view, found), roleLegend(found)),
      right,
    ),
  );
}
