// A map of the features: zoom by d3-zoom, nearest points by d3-delaunay.

const MAP_MARGIN = 12;
// A click further from a point than this, in pixels, chooses none.
const CLICK_DISTANCE = 24;
const DIM = 0.12;
const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

class FeatureMap {
  // `onChoose(sample)` opens a sample; `onPoint(sample)` tells where the
  // keyboard is.
  constructor(figure, run, dataset, points, { onChoose, onPoint }) {
    this.figure = figure;
    this.run = run;
    this.dataset = dataset;
    this.points = points;
    this.onChoose = onChoose;
    this.onPoint = onPoint;
    this.canvas = figure.querySelector('canvas');
    this.tip = figure.querySelector('.tip');
    this.transform = d3.zoomIdentity;
    this.groups = [];
    this.lit = null;
    this.cursor = null;
    this.chosen = null;
    this.links = [];
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.canvas.parentElement);
    onThemeChange(() => this.draw());
  }

  get size() {
    return this.canvas.clientWidth;
  }

  listen() {
    const { canvas } = this;
    this.zoom = d3
      .zoom()
      .scaleExtent([1, 60])
      // A page that is scrolled past the map must not stop in it.
      .filter((event) => this.mayZoom(event))
      .on('zoom', ({ transform }) => {
        this.transform = transform;
        this.hideTip();
        this.draw();
      });
    this.surface = d3.select(canvas).call(this.zoom);
    this.surface.on('dblclick.zoom', null);
    canvas.addEventListener('click', (event) => this.click(event));
    canvas.addEventListener('pointermove', (event) => this.hover(event));
    canvas.addEventListener('pointerleave', () => this.hideTip());
    canvas.addEventListener('keydown', (event) => this.key(event));
    canvas.addEventListener('blur', () => this.hideTip());
    const press = (selector, action) =>
      this.figure.querySelector(selector).addEventListener('click', action);
    press('.zoom-in', () => this.zoomBy(2));
    press('.zoom-out', () => this.zoomBy(0.5));
    press('.zoom-all', () => this.showAll());
  }

  mayZoom(event) {
    const focused = document.activeElement === this.canvas;
    if (event.type === 'wheel') {
      return focused || event.ctrlKey;
    }
    if (event.type.startsWith('touch')) {
      return focused || event.touches.length > 1;
    }
    return !event.button;
  }

  zoomBy(factor) {
    this.zoom.scaleBy(this.surface, factor);
  }

  showAll() {
    this.zoom.transform(this.surface, d3.zoomIdentity);
  }

  resize() {
    const pixels = Math.round(this.size * devicePixelRatio);
    this.canvas.width = pixels;
    this.canvas.height = pixels;
    this.zoom
      .extent([[0, 0], [this.size, this.size]])
      .translateExtent([[0, 0], [this.size, this.size]]);
    this.draw();
  }

  // Pixels of a sample on the canvas.
  toScreen(sample) {
    const span = this.size - 2 * MAP_MARGIN;
    return this.transform.apply([
      MAP_MARGIN + this.points.x(sample) * span,
      MAP_MARGIN + this.points.y(sample) * span,
    ]);
  }

  // The sample at a place on the screen, or null where none is near.
  sampleAt({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const place = [clientX - box.left, clientY - box.top];
    const [x, y] = this.transform.invert(place);
    const span = this.size - 2 * MAP_MARGIN;
    const sample = this.points.nearest(
      (x - MAP_MARGIN) / span,
      (y - MAP_MARGIN) / span,
    );
    const [sampleX, sampleY] = this.toScreen(sample);
    const distance = Math.hypot(sampleX - place[0], sampleY - place[1]);
    return distance < CLICK_DISTANCE ? sample : null;
  }

  click(event) {
    const sample = this.sampleAt(event);
    if (sample !== null) {
      this.cursor = sample;
      this.onChoose(sample);
    }
  }

  hover(event) {
    if (event.buttons) {
      return;
    }
    const sample = this.sampleAt(event);
    if (sample === null) {
      this.hideTip();
    } else {
      this.showTip(sample);
    }
  }

  key(event) {
    const actions = {
      Enter: () => this.cursor !== null && this.onChoose(this.cursor),
      '+': () => this.zoomBy(2),
      '=': () => this.zoomBy(2),
      '-': () => this.zoomBy(0.5),
      0: () => this.showAll(),
    };
    if (event.key in ARROWS) {
      this.moveCursor(...ARROWS[event.key]);
    } else if (event.key in actions && !event.ctrlKey && !event.metaKey) {
      actions[event.key]();
    } else {
      return;
    }
    event.preventDefault();
  }

  moveCursor(dx, dy) {
    // The first arrow goes to the point in the middle.
    this.cursor =
      this.cursor === null
        ? this.points.nearest(0.5, 0.5)
        : this.points.step(this.cursor, dx, dy);
    this.bringIntoView(this.cursor);
    this.showTip(this.cursor);
    this.draw();
    this.onPoint(this.cursor);
  }

  bringIntoView(sample) {
    const [x, y] = this.toScreen(sample);
    const isInside = x > 0 && y > 0 && x < this.size && y < this.size;
    if (!isInside) {
      this.zoom.translateTo(this.surface, ...this.transform.invert([x, y]));
    }
  }

  showTip(sample) {
    if (this.tip.dataset.sample !== String(sample) || this.tip.hidden) {
      this.tip.dataset.sample = sample;
      this.tip.replaceChildren(
        thumbnail(this.dataset, sample, `Image ${sample}`),
        element('span', {}, `${sample} ${this.dataset.className(sample)}`),
      );
      this.tip.hidden = false;
    }
    const [x, y] = this.toScreen(sample);
    // Beside the point, on the side with more room.
    const right = x < this.size / 2;
    this.tip.style.left = right ? `${x + 14}px` : 'auto';
    this.tip.style.right = right ? 'auto' : `${this.size - x + 14}px`;
    this.tip.style.top = `${Math.min(Math.max(y - 40, 0), this.size - 110)}px`;
  }

  hideTip() {
    this.tip.hidden = true;
  }

  color(groups) {
    this.groups = groups;
    this.lit = null;
    this.draw();
  }

  // Lets one group stand out; null all of them.
  light(group) {
    this.lit = group;
    this.draw();
  }

  // `links`: [{sample, verdict}], drawn as lines from the chosen point.
  choose(sample, links) {
    this.chosen = sample;
    this.cursor = sample;
    this.links = links;
    this.draw();
  }

  draw() {
    const ctx = this.canvas.getContext('2d');
    const toScreen = (sample) => this.toScreen(sample);
    ctx.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    ctx.clearRect(0, 0, this.size, this.size);
    const radius = pointRadius(this.points.count, this.transform.k);
    for (const group of this.groups) {
      const isLit = this.lit === null || this.lit === group.group;
      ctx.globalAlpha = isLit ? 0.85 : DIM;
      drawGroup(ctx, group, radius, toScreen, this.size);
    }
    ctx.globalAlpha = 1;
    this.drawLinks(ctx);
    this.drawRing(ctx, this.cursor, radius + 4, '--focus');
    this.drawRing(ctx, this.chosen, radius + 3, '--text');
  }

  drawLinks(ctx) {
    const colors = { right: '--right', wrong: '--wrong', '': '--text' };
    ctx.lineWidth = 1.5;
    for (const { sample, verdict } of this.links) {
      ctx.strokeStyle = cssColor(colors[verdict]);
      ctx.setLineDash(verdict === 'wrong' ? [5, 4] : []);
      ctx.beginPath();
      ctx.moveTo(...this.toScreen(this.chosen));
      ctx.lineTo(...this.toScreen(sample));
      ctx.stroke();
    }
    ctx.setLineDash([]);
  }

  drawRing(ctx, sample, radius, color) {
    if (sample === null) {
      return;
    }
    ctx.lineWidth = 2.5;
    ctx.strokeStyle = cssColor(color);
    drawDot(ctx, ...this.toScreen(sample), radius);
    ctx.stroke();
  }
}
