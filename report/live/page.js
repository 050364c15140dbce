/* live.html: the model, running, and nothing else. */

async function drawLive() {
  document.getElementById("page").replaceChildren(await liveSection(null));
}

drawLive();
