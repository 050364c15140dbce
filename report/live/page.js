/* live.html: the model, running, and nothing else. */

async function drawLive() {
  showSections(await liveSection(null));
}

drawLive();
