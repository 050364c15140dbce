/* live.html: the model, running, and nothing else. */

const NOT_WHOLE = "This file is not whole: write it again.";

async function drawLive() {
  const page = document.getElementById("page");
  try {
    page.replaceChildren(liveSection(await unpackJson("live.json"), null));
  } catch {
    page.replaceChildren(h("p", {}, NOT_WHOLE));
  }
}

drawLive();
