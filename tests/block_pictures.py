"""A VOC data set of pictures with one block in each."""

import numpy as np
from PIL import Image

# Image: (height, width), and x1, y1, x2, y2 of the block in pixels from zero,
# in the order of the list, which is not that of the names.
PICTURES = {
    '000005': ((70, 90), (20, 10, 59, 49)),
    '000002': ((80, 60), (5, 30, 44, 69)),
    '000009': ((64, 64), (10, 10, 49, 39)),
    '000001': ((50, 100), (60, 5, 94, 44)),
}


def write_split(devkit, split, pictures):
    folder = devkit / 'VOC2007'
    for name, (size, block) in pictures.items():
        write_picture(folder / 'JPEGImages' / f'{name}.jpg', size, block)
        write_objects(folder, name, size, [(block, 0)])
    lists = folder / 'ImageSets' / 'Main'
    lists.mkdir(parents=True, exist_ok=True)
    (lists / f'{split}.txt').write_text('\n'.join(pictures) + '\n')


def write_picture(path, size, block):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((*size, 3), (40, 90, 160), dtype=np.uint8)
    x1, y1, x2, y2 = block
    pixels[y1 : y2 + 1, x1 : x2 + 1] = (230, 200, 30)
    Image.fromarray(pixels).save(path, quality=95, subsampling=0)


def write_objects(folder, name, size, objects):
    """Annotation of an image: (box in pixels from zero, difficult)."""
    path = folder / 'Annotations' / f'{name}.xml'
    path.parent.mkdir(parents=True, exist_ok=True)
    text = ''
    for box, difficult in objects:
        corners = zip(('xmin', 'ymin', 'xmax', 'ymax'), box)
        box_text = ''.join(f'<{n}>{v + 1}</{n}>' for n, v in corners)
        text += (
            f'<object><name>dog</name><difficult>{difficult}</difficult>'
            f'<bndbox>{box_text}</bndbox></object>'
        )
    height, width = size
    path.write_text(
        f'<annotation><size><width>{width}</width><height>{height}</height>'
        f'</size>{text}</annotation>'
    )
