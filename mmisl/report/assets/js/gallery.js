// Anchors and their mined neighbours, round by round. Rounds of several runs
// meet by time: their numbers count stages of different lengths.

const ANCHORS_PER_PAGE = 6;

class Gallery {
  constructor(root, dataset, runs, order) {
    this.root = root;
    this.dataset = dataset;
    this.runs = runs;
    this.order = order;
    // The end is what training ended with.
    this.wantedEpoch = Infinity;
    // Whether there is no neighbour at all in what is shown.
    this.isEmpty = false;
    this.page = 0;
    this.chosen = null;
    this.drawing = 0;
    this.slider = this.find('.round');
    this.spanSlider();
    this.listen();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  isChecked(selector) {
    return this.find(selector)?.checked ?? false;
  }

  listen() {
    this.slider.addEventListener('input', () => {
      this.wantedEpoch = this.epoch;
      this.draw();
    });
    this.find('form').addEventListener('change', (event) => {
      if (event.target.type === 'checkbox') {
        this.page = 0;
        this.spanSlider();
        this.draw();
      }
    });
    this.find('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.choose(this.find('.sample').valueAsNumber);
    });
    this.find('.previous').addEventListener('click', () => this.turn(-1));
    this.find('.next').addEventListener('click', () => this.turn(1));
    this.find('.back').addEventListener('click', () => this.goBack());
  }

  turn(step) {
    this.page += step;
    return this.draw();
  }

  // From one image alone to the page of anchors that was left.
  async goBack() {
    await this.choose(null);
    // The button is gone, and the keyboard should not start anew.
    this.find('.showing').focus();
  }

  // Shows one image alone; no number shows the pages again.
  choose(sample) {
    this.chosen = Number.isInteger(sample) ? sample : null;
    return this.draw();
  }

  shownRuns() {
    const choices = [...this.root.querySelectorAll('.run-choice')];
    if (choices.length === 0) {
      return this.runs;
    }
    const ids = choices.filter((box) => box.checked).map((box) => box.value);
    return this.runs.filter((run) => ids.includes(run.id));
  }

  // Whose rounds the slider walks over.
  slidingRuns() {
    const shown = this.shownRuns();
    return shown.length === 0 ? this.runs : shown;
  }

  // All epochs at which these runs mined; it stands at the last of them by
  // the one that was wanted.
  spanSlider() {
    this.epochs = miningEpochs(this.slidingRuns());
    const place = this.epochs.findLastIndex((one) => one <= this.wantedEpoch);
    this.slider.max = this.epochs.length - 1;
    this.slider.value = Math.max(0, place);
  }

  get epoch() {
    return this.epochs[this.slider.valueAsNumber];
  }

  // [{run, round}], round null for a run that has mined nothing yet.
  async columns() {
    const { epoch } = this;
    return Promise.all(
      this.shownRuns().map(async (run) => {
        const spec = roundBy(run, epoch);
        return { run, round: spec ? await readRound(spec) : null };
      }),
    );
  }

  // Anchors that the choices leave over, in their order.
  anchors(columns) {
    if (columns.length === 0 || this.isEmpty) {
      return [];
    }
    if (!this.isChecked('.wrong-anchors')) {
      return this.order;
    }
    const rounds = columns.map(({ round }) => round).filter(Boolean);
    return this.order.filter((anchor) =>
      rounds.some((round) => round.hasWrong(anchor, this.dataset)),
    );
  }

  async draw() {
    this.drawing += 1;
    const { drawing } = this;
    this.sayRound();
    const cards = this.find('.anchors');
    cards.setAttribute('aria-busy', 'true');
    const columns = await this.columns();
    // A later call has overtaken this one.
    if (drawing !== this.drawing) {
      return;
    }
    this.isEmpty = columns.every(({ round }) => round?.isEmpty ?? true);
    const anchors = this.anchors(columns);
    const shown = this.pageOf(anchors);
    this.saySpan(anchors, shown);
    this.find('.round-numbers').replaceChildren(
      ...columns.map((column) => this.numbersOf(column)),
    );
    cards.replaceChildren(
      ...Array.from(shown, (anchor) => this.card(anchor, columns)),
    );
    cards.removeAttribute('aria-busy');
  }

  pageOf(anchors) {
    const lastPage = Math.max(
      0,
      Math.ceil(anchors.length / ANCHORS_PER_PAGE) - 1,
    );
    this.page = Math.min(Math.max(this.page, 0), lastPage);
    const alone = this.chosen !== null;
    this.find('.previous').disabled = alone || this.page === 0;
    this.find('.next').disabled = alone || this.page === lastPage;
    this.find('.back').hidden = !alone;
    if (alone) {
      return [this.chosen];
    }
    const start = this.page * ANCHORS_PER_PAGE;
    return anchors.slice(start, start + ANCHORS_PER_PAGE);
  }

  sayRound() {
    const { epoch } = this;
    const runs = this.slidingRuns();
    const labels = runs.map(
      (run) => roundBy(run, epoch)?.label ?? 'nothing mined yet',
    );
    const areEqual = labels.every((label) => label === labels[0]);
    const time = areEqual ? labels[0] : `epoch ${epoch}`;
    const each = runs.map(({ name }, index) => `${name}: ${labels[index]}`);
    this.find('.round-label').textContent = time;
    this.slider.setAttribute(
      'aria-valuetext',
      areEqual ? time : [time, ...each].join('; '),
    );
  }

  saySpan(anchors, shown) {
    this.find('.showing').textContent = this.span(anchors, shown);
  }

  span(anchors, shown) {
    if (this.chosen !== null) {
      return `Image ${this.chosen} alone.`;
    }
    if (this.shownRuns().length === 0) {
      return 'No run is chosen.';
    }
    if (this.isEmpty) {
      return 'Nothing was mined here, so no image has a neighbour to show.';
    }
    if (anchors.length === 0) {
      return 'No anchor has a wrong neighbour here.';
    }
    const first = this.page * ANCHORS_PER_PAGE + 1;
    const last = first + shown.length - 1;
    return `Anchors ${first} to ${last} of ${anchors.length.toLocaleString('en')}`;
  }

  numbersOf({ run, round }) {
    const { numbers = [], warnings = [] } = round?.spec ?? {};
    return element(
      'div',
      { class: 'round-facts' },
      element(
        'p',
        { class: 'round-run' },
        runName(run),
        this.runs.length === 1 || round === null
          ? null
          : element('span', { class: 'muted' }, this.dateOf(round.spec)),
      ),
      round === null
        ? element('p', { class: 'muted' }, this.lacking(run))
        : element(
            'dl',
            {},
            ...numbers.map(([label, text]) =>
              element(
                'div',
                {},
                element('dt', {}, label),
                element('dd', {}, text),
              ),
            ),
          ),
      warnings.length === 0
        ? null
        : element(
            'ul',
            { class: 'warnings', 'aria-label': `Warnings of ${run.name}` },
            ...warnings.map((text) => element('li', {}, text)),
          ),
    );
  }

  // Of long runs the report has not all rounds, so it speaks of its own.
  dateOf({ label, epoch }) {
    return epoch === this.epoch
      ? label
      : `${label} (the newest here at epoch ${this.epoch})`;
  }

  lacking(run) {
    const { label } = run.rounds[0];
    return `Nothing mined by epoch ${this.epoch}; its first is ${label}.`;
  }

  card(anchor, columns) {
    const { dataset } = this;
    const name = dataset.className(anchor);
    const file = dataset.names?.[anchor] ?? null;
    const words = [`Image ${anchor}`, name].filter(Boolean).join(', ');
    return element(
      'article',
      { class: 'anchor-card', 'data-anchor': anchor, 'aria-label': `Anchor: ${words}` },
      element(
        'div',
        { class: 'anchor' },
        thumbnail(dataset, anchor, words),
        name ? element('p', { class: 'anchor-class', title: name }, name) : null,
        element('p', { class: 'anchor-number', title: file }, `Image ${anchor}`),
        // A class says more; without one the file tells what it is.
        name || file === null
          ? null
          : element('p', { class: 'anchor-file ellipsis', title: file }, file),
      ),
      element(
        'div',
        { class: 'rows' },
        ...columns.map((column) => this.runRows(anchor, column)),
      ),
    );
  }

  // What a run has mined, and plain nearest neighbours beside it.
  runRows(anchor, { run, round }) {
    if (round === null) {
      return '';
    }
    const rows = [this.row(anchor, run, runName(run), round.minedOf(anchor))];
    const control = round.controlOf(anchor);
    if (control !== null && this.isChecked('.with-control')) {
      const title = element(
        'span',
        { class: 'control-name' },
        'Plain nearest neighbours',
      );
      rows.push(this.row(anchor, run, title, control, 'control-row'));
    }
    return element('div', { class: 'run-rows' }, ...rows);
  }

  row(anchor, run, title, neighbors, kind = 'mined-row') {
    return element(
      'div',
      { class: `row ${kind}`, 'data-run': run.id },
      element(
        'p',
        { class: 'row-title' },
        title,
        element(
          'span',
          { class: 'muted' },
          countRight(this.dataset, anchor, neighbors),
        ),
      ),
      strip(this.dataset, anchor, neighbors, {
        onlyWrong: this.isChecked('.wrong-edges'),
        label: `${title.textContent}, ${run.name}, image ${anchor}`,
      }),
    );
  }
}

async function startGallery(root) {
  const { dataset } = root.dataset;
  const runs = payload.runs.filter(
    (run) => run.dataset === dataset && run.rounds.length > 0,
  );
  const images = await readDataset(dataset);
  const lastRounds = await Promise.all(
    runs.map((run) => readRound(run.rounds.at(-1))),
  );
  const order = anchorOrder(images, lastRounds);
  await new Gallery(root, images, runs, order).draw();
}
