// Thumbnails, alone and in strips.

const MARKS = { right: '✓', wrong: '✗' };
const VERDICT_WORDS = { right: 'same class', wrong: 'another class' };

// One picture of a sample; its words are what a screen reader says.
function thumbnail(dataset, sample, words) {
  if (dataset.sprites === null) {
    return element(
      'span',
      { class: 'thumbnail blank', role: 'img', 'aria-label': words },
      `#${sample}`,
    );
  }
  const canvas = element('canvas', {
    class: 'thumbnail',
    role: 'img',
    'aria-label': words,
    'data-sample': sample,
  });
  dataset.paint(canvas, sample);
  return canvas;
}

function describeNeighbor(dataset, neighbor, verdict) {
  return [
    `Image ${neighbor.sample}`,
    dataset.className(neighbor.sample),
    VERDICT_WORDS[verdict],
    `cosine ${neighbor.cosine.toFixed(2)}`,
  ]
    .filter(Boolean)
    .join(', ');
}

function neighborTile(dataset, anchor, neighbor) {
  const { sample, cosine } = neighbor;
  const verdict = dataset.verdict(anchor, sample);
  const words = describeNeighbor(dataset, neighbor, verdict);
  return element(
    'li',
    { class: `tile ${verdict}`, 'data-sample': sample, title: words },
    element(
      'span',
      { class: 'frame' },
      thumbnail(dataset, sample, words),
      verdict
        ? element('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[verdict])
        : null,
    ),
    element(
      'span',
      { class: 'caption', 'aria-hidden': 'true' },
      element('span', { class: 'cosine' }, cosine.toFixed(2)),
      verdict === 'wrong'
        ? element('span', { class: 'class-name' }, dataset.className(sample))
        : null,
    ),
  );
}

// Neighbours in a row; `onlyWrong` leaves the right ones out.
function strip(dataset, anchor, neighbors, { onlyWrong = false, label }) {
  const shown = onlyWrong
    ? neighbors.filter(
        ({ sample }) => dataset.verdict(anchor, sample) === 'wrong',
      )
    : neighbors;
  if (shown.length === 0) {
    const sentence =
      neighbors.length === 0 ? 'No neighbours.' : 'No wrong neighbours.';
    return element('p', { class: 'none' }, sentence);
  }
  return element(
    'ol',
    { class: 'strip', 'aria-label': label },
    ...shown.map((neighbor) => neighborTile(dataset, anchor, neighbor)),
  );
}

// '7 of 10 right', or how many there are where classes are not known.
function countRight(dataset, anchor, neighbors) {
  const verdicts = neighbors.map(({ sample }) =>
    dataset.verdict(anchor, sample),
  );
  const known = verdicts.filter(Boolean).length;
  if (neighbors.length === 0) {
    return '';
  }
  if (known === 0) {
    return neighbors.length === 1 ? '1 image' : `${neighbors.length} images`;
  }
  const right = verdicts.filter((verdict) => verdict === 'right').length;
  return `${right} of ${known} right`;
}
