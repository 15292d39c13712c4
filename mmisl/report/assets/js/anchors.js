// Which images the gallery shows, and in which order.

const ANCHOR_SEED = 20200;

// The same order of 0 ... count - 1 in every report: Fisher-Yates with the
// linear congruential generator of Numerical Recipes.
function shuffledNumbers(count, seed) {
  const numbers = Int32Array.from({ length: count }, (_, index) => index);
  let state = seed >>> 0;
  for (let last = count - 1; last > 0; last -= 1) {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    const other = Math.floor((state / 2 ** 32) * (last + 1));
    [numbers[last], numbers[other]] = [numbers[other], numbers[last]];
  }
  return numbers;
}

// Shuffled, and dealt out over the classes, so that the first ones are of
// different classes.
function anchorOrder(dataset) {
  const order = shuffledNumbers(dataset.numImages, ANCHOR_SEED);
  if (!dataset.hasLabels) {
    return order;
  }
  const seen = new Map();
  const turn = new Int32Array(dataset.numImages);
  for (const sample of order) {
    const label = dataset.labelOf(sample);
    turn[sample] = seen.get(label) ?? 0;
    seen.set(label, turn[sample] + 1);
  }
  return order.sort((a, b) => turn[a] - turn[b]);
}
