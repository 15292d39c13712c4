// Curves by uPlot: the runs in one chart, and each chart as a table.

const CHART_HEIGHT = 230;
// Of the first, second ... line of a run, in pixels of line and gap, on the
// canvas and in the legend; the colour is that of the run.
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4]];

// Curves of the same name of all runs: [{group, title, unit, main, lines}].
// What one run alone has stands behind what comes before it there.
function mergeCurves(runs) {
  const charts = [];
  for (const run of runs) {
    let place = -1;
    for (const { group, title, unit, main, series } of run.curves) {
      const known = charts.findIndex(
        (chart) => chart.group === group && chart.title === title,
      );
      if (known >= 0) {
        place = known;
      } else {
        place += 1;
        charts.splice(place, 0, { group, title, unit, main, lines: [] });
      }
      series.forEach((one, index) =>
        charts[place].lines.push({ run, index, ...one }),
      );
    }
  }
  return charts;
}

// The dash pattern of a line, which CSS repeats: drawn as the chart has it.
function dashImage(line) {
  const color = `var(--run-${runIndex(line.run) % NUM_RUN_COLORS})`;
  const dash = dashOf(line);
  if (dash.length === 0) {
    return `linear-gradient(${color} 0 0)`;
  }
  let end = 0;
  const stops = dash.map((length, index) => {
    const start = end;
    end += length;
    return `${index % 2 ? 'transparent' : color} ${start}px ${end}px`;
  });
  return `repeating-linear-gradient(to right, ${stops.join(', ')})`;
}

// Names what tells the lines of a chart apart, and always the run where the
// report has several.
function lineLabels(lines) {
  const oneRun = payload.runs.length === 1;
  const oneLabel = lines.every(({ label }) => label === lines[0].label);
  return lines.map(({ run, label }) => {
    if (oneRun) {
      return label;
    }
    return oneLabel ? run.name : `${run.name} · ${label}`;
  });
}

function lineColor({ run }) {
  return cssColor(`--run-${runIndex(run) % NUM_RUN_COLORS}`);
}

function dashOf(line) {
  return DASHES[line.index % DASHES.length];
}

const NUMBERS = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 });

function formatNumber(value) {
  if (value === null || value === undefined) {
    return '–';
  }
  return Number.isInteger(value)
    ? value.toLocaleString('en')
    : NUMBERS.format(value);
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
        // Clustering has a round an epoch, whose lines may not hide the curve.
        ctx.globalAlpha = 0.5;
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

// 0, which most runs have of hubs all the time, would be drawn over 0 ... 100.
function valueRange(_, least, most) {
  if (least === null) {
    return [null, null];
  }
  return least === 0 && most === 0
    ? [0, 1]
    : uPlot.rangeNum(least, most, 0.1, true);
}

// Between the numbers of an axis: there are no halves of an epoch.
const EPOCH_STEPS = [1, 10, 100, 1000].flatMap((ten) => [ten, 2 * ten, 5 * ten]);

function axis(options) {
  return {
    ...options,
    values: (_, ticks) => ticks.map(formatNumber),
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
function makeSwitches(plot, lines) {
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
    const marker = row.querySelector('.u-marker');
    marker.style.backgroundImage = dashImage(lines[index - 1]);
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

function drawChart(host, chart) {
  const data = uPlot.join(chart.lines.map(({ x, y }) => [x, y]));
  const labels = lineLabels(chart.lines);
  const ends = chart.lines.flatMap(({ run }) => run.round_ends);
  const plot = new uPlot(
    {
      width: host.clientWidth,
      height: CHART_HEIGHT,
      scales: { x: { time: false }, y: { range: valueRange } },
      cursor: { y: false },
      axes: [
        axis({ label: 'epoch', size: 28, incrs: EPOCH_STEPS }),
        axis({ size: 60 }),
      ],
      series: [
        { label: 'epoch', value: (_, value) => formatNumber(value) },
        ...chart.lines.map((line, index) => ({
          label: labels[index],
          stroke: () => lineColor(line),
          dash: dashOf(line),
          width: 2,
          points: { show: line.x.length < 30, size: 5 },
          value: (_, value) => formatNumber(value),
        })),
      ],
      plugins: [roundEnds([...new Set(ends)])],
    },
    data,
    host,
  );
  makeSwitches(plot, chart.lines);
  new ResizeObserver(() =>
    plot.setSize({ width: host.clientWidth, height: CHART_HEIGHT }),
  ).observe(host);
  onThemeChange(() => plot.redraw());
}

function chartTable(chart) {
  const [epochs, ...columns] = uPlot.join(
    chart.lines.map(({ x, y }) => [x, y]),
  );
  const heads = ['epoch', ...lineLabels(chart.lines)];
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
function tableDetails(chart) {
  const box = element('div', {
    class: 'scroller',
    tabindex: '0',
    role: 'group',
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
    () => box.append(chartTable(chart)),
    { once: true },
  );
  return details;
}

function showChart(host, chart) {
  const canvas = element('div', { class: 'chart-canvas' });
  const unit = chart.unit ? ` ${chart.unit}` : '';
  const figure = element(
    'figure',
    { class: 'chart' },
    element(
      'figcaption',
      {},
      chart.title,
      element('span', { class: 'muted' }, unit),
    ),
    canvas,
    tableDetails(chart),
  );
  host.append(figure);
  whenNear(figure, () => drawChart(canvas, chart));
}

function chartGrid(charts) {
  const grid = element('div', { class: 'chart-grid' });
  charts.forEach((chart) => showChart(grid, chart));
  return grid;
}

// What has to be asked for, by its groups; drawn when it is unfolded.
function moreCurves(charts, isOpen) {
  const groups = [...new Set(charts.map(({ group }) => group))];
  return element(
    'details',
    { class: 'more-curves', open: isOpen },
    element('summary', {}, `More curves (${charts.length})`),
    ...groups.flatMap((name) => [
      element('h3', {}, name),
      chartGrid(charts.filter(({ group }) => group === name)),
    ]),
  );
}

function showCharts(host, runs) {
  const charts = mergeCurves(runs);
  const main = charts.filter((chart) => chart.main);
  const more = charts.filter((chart) => !chart.main);
  host.append(chartGrid(main));
  if (more.length > 0) {
    host.append(moreCurves(more, main.length === 0));
  }
}
