// Curves by uPlot: the runs in one chart, and each chart as a table.

const CHART_HEIGHT = 230;
// Of the first, second ... line of a run; the colour is that of the run.
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4]];

// Curves of the same name of all runs: [{group, title, unit, lines}].
function mergeCurves(runs) {
  const charts = new Map();
  for (const run of runs) {
    for (const { group, title, unit, series } of run.curves) {
      const key = JSON.stringify([group, title]);
      if (!charts.has(key)) {
        charts.set(key, { group, title, unit, lines: [] });
      }
      series.forEach((one, index) =>
        charts.get(key).lines.push({ run, index, ...one }),
      );
    }
  }
  return [...charts.values()];
}

function lineLabel({ run, label }, runs) {
  return runs.length === 1 ? label : `${run.name} · ${label}`;
}

function lineColor({ run }) {
  return cssColor(`--run-${runIndex(run) % NUM_RUN_COLORS}`);
}

function formatNumber(value) {
  return value === null || value === undefined
    ? '–'
    : Number(value.toPrecision(4)).toString();
}

// A plugin of uPlot: a dotted line where positions were mined.
function roundEnds(epochs) {
  return {
    hooks: {
      drawAxes: (plot) => {
        const { ctx } = plot;
        const { left, top, width, height } = plot.bbox;
        ctx.save();
        ctx.strokeStyle = cssColor('--muted');
        ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
        ctx.lineWidth = devicePixelRatio;
        ctx.beginPath();
        for (const epoch of epochs) {
          const x = Math.round(plot.valToPos(epoch, 'x', true));
          if (x >= left && x <= left + width) {
            ctx.moveTo(x, top);
            ctx.lineTo(x, top + height);
          }
        }
        ctx.stroke();
        ctx.restore();
      },
    },
  };
}

function axis(label) {
  return {
    label,
    stroke: () => cssColor('--muted'),
    font: '12px system-ui, sans-serif',
    labelFont: '12px system-ui, sans-serif',
    labelSize: 20,
    grid: { stroke: () => cssColor('--line'), width: 1 },
    ticks: { show: false },
  };
}

// Labels of the legend become switches that the keyboard reaches: uPlot
// makes them cells of a table that only a mouse can press.
function makeSwitches(plot) {
  const legend = plot.root.querySelector('.u-legend');
  legend.setAttribute('role', 'group');
  legend.setAttribute('aria-label', 'Lines of the chart');
  legend.querySelectorAll('tbody, tr, td').forEach((node) => {
    node.setAttribute('role', 'presentation');
  });
  legend.querySelectorAll('.u-series').forEach((row, index) => {
    const button = row.querySelector('th');
    if (index === 0) {
      button.setAttribute('role', 'presentation');
      return;
    }
    button.title = button.textContent;
    button.tabIndex = 0;
    button.setAttribute('role', 'button');
    button.setAttribute('aria-pressed', 'true');
    button.addEventListener('click', () => {
      button.setAttribute('aria-pressed', String(plot.series[index].show));
    });
    button.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        button.click();
      }
    });
  });
}

function drawChart(host, chart, runs) {
  const data = uPlot.join(chart.lines.map(({ x, y }) => [x, y]));
  const epochs = [...new Set(runs.flatMap((run) => run.round_ends))];
  const plot = new uPlot(
    {
      width: host.clientWidth,
      height: CHART_HEIGHT,
      scales: { x: { time: false } },
      cursor: { y: false },
      axes: [axis('epoch'), { ...axis(chart.unit || null), size: 56 }],
      series: [
        { label: 'epoch', value: (_, value) => formatNumber(value) },
        ...chart.lines.map((line) => ({
          label: lineLabel(line, runs),
          stroke: () => lineColor(line),
          dash: DASHES[line.index % DASHES.length],
          width: 2,
          points: { show: line.x.length < 30, size: 5 },
          value: (_, value) => formatNumber(value),
        })),
      ],
      plugins: [roundEnds(epochs)],
    },
    data,
    host,
  );
  makeSwitches(plot);
  new ResizeObserver(() =>
    plot.setSize({ width: host.clientWidth, height: CHART_HEIGHT }),
  ).observe(host);
  onThemeChange(() => plot.redraw());
}

function chartTable(chart, runs) {
  const [epochs, ...columns] = uPlot.join(
    chart.lines.map(({ x, y }) => [x, y]),
  );
  const heads = ['epoch', ...chart.lines.map((line) => lineLabel(line, runs))];
  return element(
    'table',
    { class: 'numbers' },
    element(
      'thead',
      {},
      element(
        'tr',
        {},
        ...heads.map((text) => element('th', { scope: 'col' }, text)),
      ),
    ),
    element(
      'tbody',
      {},
      ...Array.from(epochs, (epoch, row) =>
        element(
          'tr',
          {},
          element('th', { scope: 'row' }, formatNumber(epoch)),
          ...columns.map((column) =>
            element('td', {}, formatNumber(column[row])),
          ),
        ),
      ),
    ),
  );
}

// The table is made when it is opened: long runs have thousands of rows.
function tableDetails(chart, runs) {
  const box = element('div', {
    class: 'scroller',
    tabindex: '0',
    role: 'region',
    'aria-label': `Numbers of ${chart.title}`,
  });
  const details = element(
    'details',
    {},
    element(
      'summary',
      {},
      'Numbers',
      element('span', { class: 'hidden' }, ` of ${chart.title}`),
    ),
    box,
  );
  details.addEventListener(
    'toggle',
    () => box.append(chartTable(chart, runs)),
    { once: true },
  );
  return details;
}

function showCharts(host, runs) {
  const charts = mergeCurves(runs);
  for (const group of new Set(charts.map((chart) => chart.group))) {
    const grid = element('div', { class: 'chart-grid' });
    host.append(element('h3', {}, group), grid);
    for (const chart of charts.filter((one) => one.group === group)) {
      const canvas = element('div', { class: 'chart-canvas' });
      const figure = element(
        'figure',
        { class: 'chart' },
        element(
          'figcaption',
          {},
          chart.title,
          element('span', { class: 'muted' }, chart.unit ? ` ${chart.unit}` : ''),
        ),
        canvas,
        tableDetails(chart, runs),
      );
      grid.append(figure);
      whenNear(figure, () => drawChart(canvas, chart, runs));
    }
  }
}
