// Elements: whatever a report tells goes in as text, never as HTML.

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) {
      node.setAttribute(name, value === true ? '' : value);
    }
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}


function cssColor(name) {
  return getComputedStyle(document.documentElement)
    .getPropertyValue(name)
    .trim();
}

// Calls `redraw` when the colours of the page change.
function onThemeChange(redraw) {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
}

function runName(run) {
  return element(
    'span',
    { class: 'run-name', title: run.name },
    element('span', {
      class: `swatch run-${runIndex(run) % NUM_RUN_COLORS}`,
      'aria-hidden': 'true',
    }),
    element('span', { class: 'ellipsis' }, run.name),
  );
}

function runIndex(run) {
  return payload.runs.indexOf(run);
}

// As many as css/base.css has.
const NUM_RUN_COLORS = 6;
