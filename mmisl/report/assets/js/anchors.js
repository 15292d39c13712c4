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

// How often the class of a sample came before it in an order.
function turnsOfClasses(dataset, order) {
  const seen = new Map();
  const turns = new Int32Array(order.length);
  for (const sample of order) {
    const label = dataset.labelOf(sample);
    turns[sample] = seen.get(label) ?? 0;
    seen.set(label, turns[sample] + 1);
  }
  return turns;
}

// All samples: shuffled, and dealt out over the classes, so that the first
// ones are of different classes. Those without neighbours in one of `rounds`
// come last: there is little to see.
function anchorOrder(dataset, rounds) {
  const order = shuffledNumbers(dataset.numImages, ANCHOR_SEED);
  const turns = dataset.hasLabels
    ? turnsOfClasses(dataset, order)
    : new Int32Array(order.length);
  const isBare = Uint8Array.from(turns, (_, sample) =>
    rounds.some((round) => round.neighbors.of(sample).length === 0) ? 1 : 0,
  );
  // A stable sort: the shuffled order stays where these are equal.
  return order.sort(
    (a, b) => isBare[a] - isBare[b] || turns[a] - turns[b],
  );
}
