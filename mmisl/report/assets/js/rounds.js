// Neighbours of a mining round.

// Rows of an array that are padded with -1 at their ends.
class Rows {
  constructor({ data, shape }) {
    this.data = data;
    this.width = shape[1];
  }

  of(sample) {
    const start = sample * this.width;
    const row = this.data.subarray(start, start + this.width);
    const end = row.indexOf(-1);
    return end < 0 ? row : row.subarray(0, end);
  }
}

// [{sample, cosine}] of an image, most similar first.
function withCosines(rows, cosines, anchor) {
  const start = anchor * rows.width;
  return Array.from(rows.of(anchor), (sample, place) => ({
    sample,
    // Stored as a byte.
    cosine: cosines.data[start + place] / 127.5 - 1,
  }));
}

class Round {
  constructor(spec, neighbors, cosine, control, controlCosine) {
    this.spec = spec;
    this.neighbors = neighbors;
    this.cosine = cosine;
    this.control = control;
    this.controlCosine = controlCosine;
  }

  // Whether no image has a neighbour, mined or plain.
  get isEmpty() {
    return [this.neighbors, this.control].every(
      (rows) => rows === null || rows.data.every((sample) => sample === -1),
    );
  }

  minedOf(anchor) {
    return withCosines(this.neighbors, this.cosine, anchor);
  }

  // The same of plain nearest neighbours, or null where they are not known.
  controlOf(anchor) {
    return this.control === null
      ? null
      : withCosines(this.control, this.controlCosine, anchor);
  }

  hasWrong(anchor, dataset) {
    return this.neighbors
      .of(anchor)
      .some((sample) => dataset.verdict(anchor, sample) === 'wrong');
  }
}

async function loadRound(spec) {
  const names = [
    spec.neighbors,
    spec.cosine,
    spec.control,
    spec.control_cosine,
  ];
  const [neighbors, cosine, control, controlCosine] = await Promise.all(
    names.map((name) => (name === null ? null : readArray(name))),
  );
  return new Round(
    spec,
    new Rows(neighbors),
    cosine,
    control === null ? null : new Rows(control),
    controlCosine,
  );
}

const readRound = remembered(loadRound);

// Epochs at which any of the runs mined, in order.
function miningEpochs(runs) {
  const epochs = runs.flatMap((run) => run.rounds.map(({ epoch }) => epoch));
  return [...new Set(epochs)].sort((a, b) => a - b);
}

// The last round that a run mined by an epoch; undefined before its first.
function roundBy(run, epoch) {
  return run.rounds.findLast((spec) => spec.epoch <= epoch);
}
