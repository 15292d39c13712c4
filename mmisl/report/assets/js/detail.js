// The chosen image of a map: itself, and its neighbours in each round.

// Rounds of a run in which an image's neighbours are looked up.
async function readRounds(run) {
  return Promise.all(run.rounds.map((spec) => readRound(spec)));
}

async function clusterText(run, sample) {
  if (run.clusters === null) {
    return null;
  }
  const { data } = await readArray(run.clusters);
  return `Cluster ${data[sample]} of ${run.name}`;
}

async function describeImage(dataset, runs, sample) {
  const clusters = await Promise.all(
    runs.map((run) => clusterText(run, sample)),
  );
  const texts = [dataset.names?.[sample], ...clusters].filter(Boolean);
  const name = dataset.className(sample);
  return element(
    'div',
    { class: 'detail-image' },
    thumbnail(
      dataset,
      sample,
      [`Image ${sample}`, name].filter(Boolean).join(', '),
    ),
    element(
      'div',
      {},
      element('h3', {}, `Image ${sample}`),
      element('p', { class: 'detail-class' }, name),
      ...texts.map((text) =>
        element('p', { class: 'detail-text', title: text }, text),
      ),
    ),
  );
}

async function describeRun(dataset, run, sample) {
  const rounds = await readRounds(run);
  const rows = rounds.map((round) => {
    const neighbors = round.minedOf(sample);
    const { label } = round.spec;
    return element(
      'div',
      { class: 'row', 'data-round': round.spec.round },
      element(
        'p',
        { class: 'row-title' },
        element('span', {}, label),
        element('span', { class: 'muted' }, countRight(dataset, sample, neighbors)),
      ),
      strip(dataset, sample, neighbors, { label: `${label}, ${run.name}` }),
    );
  });
  if (rows.length === 0) {
    rows.push(
      element('p', { class: 'none' }, 'This run has no mined neighbours.'),
    );
  }
  return element(
    'div',
    { class: 'detail-run', 'data-run': run.id },
    element('h4', {}, runName(run)),
    ...rows,
  );
}

// More switches than that are in the way of the keyboard.
const MAX_LEGEND = 40;

// Maps of runs over the same images: one choice and one colouring for all.
class MapGroup {
  constructor(root, dataset, runs) {
    this.root = root;
    this.dataset = dataset;
    this.runs = runs;
    this.maps = [];
    this.choosing = 0;
    this.select = root.querySelector('.colour');
    this.legend = root.querySelector('.legend');
    this.detail = root.querySelector('.detail');
    this.status = root.querySelector('.point-status');
    this.select.addEventListener('change', () => this.color());
  }

  async start() {
    const figures = [...this.root.querySelectorAll('figure.map')];
    this.maps = await Promise.all(
      figures.map(async (figure) => {
        const run = this.runs.find(({ id }) => id === figure.dataset.run);
        const points = new Points(await readArray(run.map.blob));
        return new FeatureMap(figure, run, this.dataset, points, {
          onChoose: (sample) => this.choose(sample),
          onPoint: (sample) => this.say(sample, 'Enter opens it.'),
        });
      }),
    );
    await this.color();
  }

  say(sample, sentence) {
    const name = this.dataset.className(sample);
    const words = [`Image ${sample}`, name].filter(Boolean).join(', ');
    this.status.textContent = `${words}. ${sentence}`;
  }

  async groupsOf(run) {
    const { dataset } = this;
    if (this.select.value === 'labels') {
      return groupSamples(dataset.labels, (group) => dataset.labelName(group));
    }
    if (this.select.value === 'clusters' && run.clusters !== null) {
      const { data } = await readArray(run.clusters);
      return groupSamples(data, (group) => `Cluster ${group}`);
    }
    const samples = Array.from({ length: dataset.numImages }, (_, i) => i);
    const color = cssColor('--accent');
    return [{ group: 0, name: 'All images', color, samples }];
  }

  async color() {
    const colored = await Promise.all(
      this.maps.map(async (map) => {
        const groups = await this.groupsOf(map.run);
        map.color(groups);
        return groups;
      }),
    );
    this.showLegend(colored);
  }

  // One legend for all maps: a number has one colour in all of them.
  showLegend(colored) {
    const groups = new Map(colored.flat().map((one) => [one.group, one]));
    if (groups.size > MAX_LEGEND) {
      this.legend.replaceChildren(
        `${groups.size} colours; a point tells its own under the mouse.`,
      );
      return;
    }
    const buttons = [...groups.values()]
      .sort((a, b) => a.group - b.group)
      .map((one) => this.legendButton(one));
    this.legend.replaceChildren(...buttons);
  }

  legendButton({ group, name, color }) {
    const dot = element('span', { class: 'dot', 'aria-hidden': 'true' });
    dot.style.background = color;
    const button = element(
      'button',
      { type: 'button', 'aria-pressed': 'false', title: name },
      dot,
      element('span', { class: 'ellipsis' }, name),
    );
    button.addEventListener('click', () => this.press(button, group));
    return button;
  }

  press(button, group) {
    const wasPressed = button.getAttribute('aria-pressed') === 'true';
    for (const other of this.legend.children) {
      other.setAttribute('aria-pressed', String(other === button && !wasPressed));
    }
    this.maps.forEach((map) => map.light(wasPressed ? null : group));
  }

  async choose(sample) {
    this.choosing += 1;
    const { choosing, dataset, runs } = this;
    const parts = await Promise.all([
      describeImage(dataset, runs, sample),
      ...runs.map((run) => describeRun(dataset, run, sample)),
    ]);
    const links = await Promise.all(
      this.maps.map((map) => this.linksOf(map.run, sample)),
    );
    // A later choice has overtaken this one.
    if (choosing !== this.choosing) {
      return;
    }
    this.maps.forEach((map, index) => map.choose(sample, links[index]));
    const [image, ...columns] = parts;
    this.detail.replaceChildren(
      image,
      element('div', { class: 'detail-runs' }, ...columns),
    );
    this.detail.dataset.sample = sample;
    this.say(sample, 'Its neighbours in each round stand after the map.');
    this.showDetail();
  }

  // Where the maps fill the screen, as on a phone, what a click shows would
  // go unseen below them.
  showDetail() {
    const { top } = this.detail.getBoundingClientRect();
    if (top > 0.85 * innerHeight) {
      scrollBy({ top: top - 0.6 * innerHeight });
    }
  }

  // Neighbours after the last round.
  async linksOf(run, sample) {
    if (run.rounds.length === 0) {
      return [];
    }
    const round = await readRound(run.rounds.at(-1));
    return round.minedOf(sample).map((neighbor) => ({
      sample: neighbor.sample,
      verdict: this.dataset.verdict(sample, neighbor.sample),
    }));
  }
}

async function startMaps(root) {
  const { dataset } = root.dataset;
  const runs = payload.runs.filter((run) => run.dataset === dataset);
  const group = new MapGroup(root, await readDataset(dataset), runs);
  await group.start();
  root.dataset.ready = 'true';
}
