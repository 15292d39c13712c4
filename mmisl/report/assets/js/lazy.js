// Parts that are drawn once they come near to what is on the screen, and
// links to what stands below such parts.

// Parts that are not drawn yet, by their element: what draws them now.
const undrawn = new Map();

// Calls `start` once, when the element comes near to what is on the screen
// or a link leads past it.
function whenNear(node, start) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        begin();
      }
    },
    { rootMargin: '800px' },
  );
  const begin = remembered(async () => {
    observer.disconnect();
    try {
      await start();
    } finally {
      undrawn.delete(node);
    }
  });
  undrawn.set(node, begin);
  observer.observe(node);
}

// Draws what stands before an element, so that it stays where it is then.
// What is folded away has no height and waits.
async function drawBefore(target) {
  const parts = [...undrawn].filter(
    ([node]) =>
      node.closest('details:not([open])') === null &&
      target.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_PRECEDING,
  );
  // One that fails says so itself, and is no reason to stay.
  await Promise.allSettled(parts.map(([, begin]) => begin()));
}

// Holds a click back until the way to its target has its height.
async function follow(event, link, started) {
  const target = document.querySelector(link.hash);
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey);
  if (target === null || !isPlain || link.dataset.ready === 'true') {
    delete link.dataset.ready;
    return;
  }
  event.preventDefault();
  await started;
  await drawBefore(target);
  // By the browser, which also moves the focus and the history.
  link.dataset.ready = 'true';
  link.click();
}

// Links of the page, and the address it was opened with, lead to where their
// section is when all above it has been drawn.
async function followLinks(started) {
  for (const link of document.querySelectorAll('nav.sections a')) {
    link.addEventListener('click', (event) => follow(event, link, started));
  }
  const target = document.getElementById(location.hash.slice(1));
  const [{ type }] = performance.getEntriesByType('navigation');
  await started;
  // A page that is read again stays where it was.
  if (target !== null && type === 'navigate') {
    await drawBefore(target);
    target.scrollIntoView({ behavior: 'instant' });
  }
}
