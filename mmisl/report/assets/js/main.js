// Starts the parts of the page.

async function copyCommand(button) {
  const code = button.parentElement.querySelector('code');
  const status = document.getElementById('copy-status');
  try {
    await navigator.clipboard.writeText(code.textContent);
    status.textContent = 'Copied.';
    button.firstChild.textContent = 'Copied';
  } catch {
    // A browser may forbid it to files; the text is marked instead.
    getSelection().selectAllChildren(code);
    status.textContent = 'Marked: press Ctrl+C to copy.';
    button.firstChild.textContent = 'Marked';
  }
}

// Runs a part; where it fails, the page says so and the rest goes on.
async function guard(name, part) {
  try {
    await part();
  } catch (error) {
    const sentence = `${name} could not be drawn: ${error.message}. Browsers of 2023 and later can.`;
    const notice = element('p', { class: 'missing', role: 'alert' }, sentence);
    document.getElementById('main').prepend(notice);
    throw error;
  }
}

async function startParts() {
  for (const button of document.querySelectorAll('.copy')) {
    button.addEventListener('click', () => copyCommand(button));
  }
  const charts = document.getElementById('charts');
  if (charts) {
    await guard('Curves', () => showCharts(charts, payload.runs));
  }
  const galleries = [...document.querySelectorAll('.gallery')];
  await Promise.all(
    galleries.map((root) => guard('Neighbours', () => startGallery(root))),
  );
  for (const root of document.querySelectorAll('.maps')) {
    whenNear(root, () => guard('The map', () => startMaps(root)));
  }
  performance.mark('mmisl-ready');
  document.documentElement.dataset.ready = 'true';
}

const started = startParts();
// Links lead on also where a part has failed.
followLinks(Promise.allSettled([started]));
await started;
