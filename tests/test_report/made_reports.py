"""Payloads of pages, made by hand: no run stands behind them."""

import base64
import io

import numpy as np
from PIL import Image

from mmisl.report.page import Blob

# Shown as they are, and never executed.
HOSTILE = [
    '<img src=x onerror="window.__xss=1">',
    '</script><script>window.__xss=2</script>',
    '"><svg onload=window.__xss=3>',
    'quote\'s "double" & ampersand',
    'чижик 小鸟 طائر',
    'l' * 500,
]
TILE = 8


def sheet(colors, columns):
    """A sheet of tiles, each of one colour: (n, 3) uint8."""
    rows = -(-len(colors) // columns)
    grid = np.zeros((rows * columns, 3), np.uint8)
    grid[: len(colors)] = colors
    grid = grid.reshape(rows, columns, 3).repeat(TILE, 0).repeat(TILE, 1)
    file = io.BytesIO()
    Image.fromarray(grid).save(file, 'PNG')
    return Blob(file.getvalue(), 'uint8', grid.shape, 'image/png')


def colors_of(count):
    """A colour for each sample that no other sample has: (n, 3) uint8."""
    index = np.arange(count)
    return np.stack([index % 251, index // 251, 200 - index % 91], 1)


def picture(color):
    file = io.BytesIO()
    Image.new('RGB', (6, 6), color).save(file, 'PNG')
    text = base64.b64encode(file.getvalue()).decode()
    return f'data:image/png;base64,{text}'


def neighbor_rows(rng, labels, width, pure):
    """Rows of other samples, some of them padded: (n, width) int32.

    Args:
        pure (int): Of four samples in a row this one has neighbours of its
            own class alone.
    """
    rows = np.empty((len(labels), width), np.int32)
    for sample, label in enumerate(labels):
        is_pure = sample % 4 == pure
        others = np.flatnonzero((labels == label) | (not is_pure))
        rows[sample] = rng.choice(others[others != sample], width, False)
    rows[::7, width - 2 :] = -1
    rows[5] = -1
    return rows


def curve(group, title, series, unit='', main=True):
    return {
        'group': group,
        'title': title,
        'unit': unit,
        'main': main,
        'series': series,
    }


def line(label, x, y):
    return {'label': label, 'x': x, 'y': y}


class MadeReport:
    """Two runs of three rounds over 60 images, with hostile names.

    Args:
        labels (bool): Whether the images have labels.
    """

    def __init__(self, labels=True, num_images=60, num_runs=2, width=5):
        self.rng = np.random.default_rng(3)
        self.num_images = num_images
        self.width = width
        self.blobs = {}
        self.arrays = {}
        self.labels = self.rng.integers(0, 6, num_images).astype(np.int32)
        self.labels[6] = -1
        self.places = self.grid_places()
        self.payload = {
            'title': f'Report of {HOSTILE[0]}',
            'generated': '2026-01-02T03:04:05',
            'mmisl': '1.2.3',
            'runs': [self.run(index, labels) for index in range(num_runs)],
            'datasets': {'data0': self.dataset(labels)},
            'detection': [
                {
                    'title': 'VOC2007',
                    'columns': ['start', 'AP50'],
                    'rows': [['ISL', '48.1'], [HOSTILE[2], '31.0']],
                    'source': 'detection/table.json',
                }
            ],
        }

    def put(self, name, array):
        self.arrays[name] = array
        self.blobs[name] = Blob.from_array(array)
        return name

    def grid_places(self):
        """Places on a square grid, row by row: (n, 2) uint16."""
        side = int(np.ceil(np.sqrt(self.num_images)))
        index = np.arange(self.num_images)
        steps = np.stack([index % side, index // side], 1) / (side - 1)
        return (steps * 65535).astype(np.uint16)

    def dataset(self, labels):
        half = 32
        colors = colors_of(self.num_images).astype(np.uint8)
        sheets = []
        for start in range(0, self.num_images, half):
            name = f'sheet{start}'
            self.blobs[name] = sheet(colors[start : start + half], 8)
            sheets.append(name)
        names = [f'image {i} {HOSTILE[i % 6]}' for i in range(self.num_images)]
        self.blobs['names'] = Blob.from_lines(names)
        return {
            'num_images': self.num_images,
            'labels': self.put('labels', self.labels) if labels else None,
            'class_names': HOSTILE if labels else [],
            'names': 'names',
            'sprites': {
                'sheets': sheets,
                'tile': TILE,
                'columns': 8,
                'rows': half // 8,
            },
        }

    def round(self, run, number):
        width = self.width
        key = f'run{run}-round{number}'
        rows = neighbor_rows(self.rng, self.labels, width, run)
        control = neighbor_rows(self.rng, self.labels, width, 3)
        cosine, plain = (
            np.sort(
                self.rng.integers(128, 256, (self.num_images, width)), axis=1
            )[:, ::-1].astype(np.uint8)
            for _ in range(2)
        )
        return {
            'round': number,
            'epoch': 2 * number,
            'label': f'Round {number}, after epoch {2 * number}',
            'numbers': [['purity', f'0.{number}1'], ['mean degree', '5.0']],
            'neighbors': self.put(f'{key}-neighbors', rows),
            'cosine': self.put(f'{key}-cosine', cosine),
            'control': self.put(f'{key}-control', control) if run else None,
            'control_cosine': (
                self.put(f'{key}-control_cosine', plain) if run else None
            ),
            'warnings': (
                [f'quota not met in {HOSTILE[1]}'] if run and number else []
            ),
        }

    def run(self, index, labels):
        epochs = [1.0, 2.0, 3.0, 4.0]
        loss = [4.0 - index, 3.25, 2.5, None if index else 2.125]
        clusters = (np.arange(self.num_images) % 4).astype(np.int32)
        return {
            'id': f'run{index}',
            'name': ['isl', HOSTILE[1]][index % 2],
            'status': ['finished', 'stopped after epoch 3 of 4'][index % 2],
            'warnings': [[], [f'no checkpoint in {HOSTILE[0]}']][index % 2],
            'facts': [
                ['Method', 'ISL'],
                ['Seed', str(index)],
                *([['Work dir', HOSTILE[5]]] if index else []),
            ],
            'config_text': f'name = {HOSTILE[1]!r}\n',
            'command': f"python tools/train.py 'a {HOSTILE[3]}.py'",
            'command_note': f'The config is {HOSTILE[0]}.' if index else '',
            'stages': [['encoder', 7384.2, 4], ['mining', 3.21 + index, 3]],
            'curves': [
                curve('Loss', 'loss', [line('loss', epochs, loss)]),
                curve(
                    'kNN',
                    'top-1',
                    [line('bank', [2.0, 4.0], [0.25 + index / 8, 0.5])],
                    'accuracy',
                ),
                # Of the second run alone.
                *(
                    [curve('Loss', 'b', [line('b', epochs, loss)], '', False)]
                    if index
                    else []
                ),
                curve(
                    'Loss', HOSTILE[2], [line('a', epochs, loss)], '', False
                ),
                curve('Speed', 'rate', [line('lr', epochs, loss)], 's', False),
            ],
            'round_ends': [2.0, 4.0],
            'dataset': 'data0',
            'rounds': [self.round(index, number) for number in range(3)],
            'map': {
                'blob': self.put('map', self.places),
                'method': 't-SNE',
                'note': 'perplexity 30',
            },
            'clusters': self.put('clusters', clusters) if index else None,
            'views': [
                {
                    'sample': 4,
                    'images': [picture('red'), picture('teal')],
                }
            ],
        }
