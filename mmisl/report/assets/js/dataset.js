// Images, labels and names that runs share.

class Dataset {
  constructor(spec) {
    this.numImages = spec.num_images;
    this.classNames = spec.class_names;
    this.sprites = spec.sprites;
    this.spec = spec;
    this.labels = null;
    this.names = null;
  }

  get hasLabels() {
    return this.spec.labels !== null;
  }

  // Reads labels and names; the sheets wait until an image is painted.
  async load() {
    const { labels, names } = this.spec;
    if (labels !== null) {
      this.labels = (await readArray(labels)).data;
    }
    if (names !== null) {
      this.names = await readLines(names);
    }
    return this;
  }

  // -1 where not known.
  labelOf(sample) {
    return this.labels === null ? -1 : this.labels[sample];
  }

  labelName(label) {
    return label < 0 ? 'class not known' : (this.classNames[label] ?? `class ${label}`);
  }

  // '' for images without labels.
  className(sample) {
    return this.labels === null ? '' : this.labelName(this.labels[sample]);
  }

  // 'right', 'wrong' or '' where one of the classes is not known.
  verdict(anchor, sample) {
    const [one, other] = [this.labelOf(anchor), this.labelOf(sample)];
    if (one < 0 || other < 0) {
      return '';
    }
    return one === other ? 'right' : 'wrong';
  }

  async paint(canvas, sample) {
    const { sheets, tile, columns, rows } = this.sprites;
    const sheet = Math.floor(sample / (columns * rows));
    const place = sample % (columns * rows);
    const image = await readImage(sheets[sheet]);
    canvas.width = tile;
    canvas.height = tile;
    canvas.getContext('2d').drawImage(
      image,
      (place % columns) * tile,
      Math.floor(place / columns) * tile,
      tile,
      tile,
      0,
      0,
      tile,
      tile,
    );
    canvas.dataset.painted = 'true';
  }
}

const readDataset = remembered((id) =>
  new Dataset(payload.datasets[id]).load(),
);
