// Points of the map: where they are, their colours, how they are drawn.

// Tableau's ten, made to stand out on white and on black.
const TEN_COLORS = [
  '#4e79a7', '#e07b1a', '#d1495b', '#3d9e96', '#4c9f4a',
  '#b8930b', '#a368a8', '#d9679a', '#94694b', '#6f7d1c',
];

// Hues a golden angle apart are far from those before them.
function groupColor(group) {
  if (group < 0) {
    return '#888888';
  }
  if (group < TEN_COLORS.length) {
    return TEN_COLORS[group];
  }
  const hue = (group * 137.508) % 360;
  const lightness = 0.52 + 0.08 * (group % 3);
  return `oklch(${lightness} 0.15 ${hue.toFixed(1)})`;
}

// Samples by what colours them: [{group, name, color, samples}].
function groupSamples(groups, nameOf) {
  const lists = new Map();
  groups.forEach((group, sample) => {
    if (!lists.has(group)) {
      lists.set(group, []);
    }
    lists.get(group).push(sample);
  });
  return [...lists.keys()]
    .sort((a, b) => a - b)
    .map((group) => ({
      group,
      name: nameOf(group),
      color: groupColor(group),
      samples: lists.get(group),
    }));
}

// Radius in pixels: many points are small ones, and grow when zoomed into.
function pointRadius(numPoints, zoom) {
  const base = numPoints > 20000 ? 1.1 : numPoints > 3000 ? 2 : 4;
  return Math.min(base * Math.sqrt(zoom), 7);
}

// Places of all points in the unit square, and the nearest ones.
class Points {
  constructor({ data, shape }) {
    this.count = shape[0];
    this.places = Float32Array.from(data, (value) => value / 65535);
  }

  // Made when it is first asked for: 50,000 points take a while.
  get delaunay() {
    this.triangles ??= new d3.Delaunay(this.places);
    return this.triangles;
  }

  x(sample) {
    return this.places[2 * sample];
  }

  y(sample) {
    return this.places[2 * sample + 1];
  }

  nearest(x, y) {
    return this.delaunay.find(x, y);
  }

  // The neighbour of a point that lies most in a direction, or the point.
  step(sample, dx, dy) {
    let [best, bestCosine] = [sample, 0.3];
    // Of points in one place the triangles know one alone.
    const start = this.nearest(this.x(sample), this.y(sample));
    for (const other of this.delaunay.neighbors(start)) {
      const x = this.x(other) - this.x(start);
      const y = this.y(other) - this.y(start);
      const cosine = (x * dx + y * dy) / Math.hypot(x, y);
      if (cosine > bestCosine) {
        [best, bestCosine] = [other, cosine];
      }
    }
    return best;
  }
}

function drawDot(ctx, x, y, radius) {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
}

// Squares where they are too small to be told from circles: many times faster.
function drawGroup(ctx, group, radius, toScreen, size) {
  ctx.fillStyle = group.color;
  for (const sample of group.samples) {
    const [x, y] = toScreen(sample);
    if (x < -radius || y < -radius || x > size + radius || y > size + radius) {
      continue;
    }
    if (radius < 2.5) {
      ctx.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
    } else {
      drawDot(ctx, x, y, radius);
      ctx.fill();
    }
  }
}
