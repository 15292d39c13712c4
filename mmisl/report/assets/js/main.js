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

async function start() {
  for (const button of document.querySelectorAll('.copy')) {
    button.addEventListener('click', () => copyCommand(button));
  }
  const charts = document.getElementById('charts');
  if (charts) {
    showCharts(charts, payload.runs);
  }
  const galleries = [...document.querySelectorAll('.gallery')];
  await Promise.all(galleries.map((root) => startGallery(root)));
  for (const root of document.querySelectorAll('.maps')) {
    whenNear(root, () => startMaps(root));
  }
  performance.mark('mmisl-ready');
}

start();
