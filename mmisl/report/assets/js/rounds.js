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

class Round {
  constructor(spec, neighbors, cosine, control) {
    this.spec = spec;
    this.neighbors = neighbors;
    this.cosine = cosine;
    this.control = control;
  }

  // [{sample, cosine}], most similar first.
  minedOf(anchor) {
    const start = anchor * this.neighbors.width;
    return Array.from(this.neighbors.of(anchor), (sample, place) => ({
      sample,
      // Stored as a byte.
      cosine: this.cosine.data[start + place] / 127.5 - 1,
    }));
  }

  // The same of plain nearest neighbours, or null where they are not known.
  controlOf(anchor) {
    if (this.control === null) {
      return null;
    }
    return Array.from(this.control.of(anchor), (sample) => ({
      sample,
      cosine: null,
    }));
  }

  hasWrong(anchor, dataset) {
    return this.neighbors
      .of(anchor)
      .some((sample) => dataset.verdict(anchor, sample) === 'wrong');
  }
}

async function loadRound(spec) {
  const [neighbors, cosine, control] = await Promise.all([
    readArray(spec.neighbors),
    readArray(spec.cosine),
    spec.control === null ? null : readArray(spec.control),
  ]);
  return new Round(
    spec,
    new Rows(neighbors),
    cosine,
    control === null ? null : new Rows(control),
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
