/* The model, running in the page. */

/** `live`: live.json; `view`: that of a probe, whose head is the live one, too, or null. */
function liveSection(live, view) {
  return section("live", "Try it", live.note ?? "", view ? h("p", {}, `head ${view.state.head}`) : null);
}
