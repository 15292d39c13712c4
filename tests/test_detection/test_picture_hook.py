"""Pictures of detections beside the truth."""

from importlib.util import find_spec
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData
from PIL import Image

if find_spec('mmdet') is None:
    pytest.skip('needs mmdet: make test installs it', allow_module_level=True)

from mmdet.structures import DetDataSample

from mmisl.detection.picture_hook import DetectionPictureHook

SIZE = (200, 160)  # width, height
ORANGE = (250, 140, 10)
BLUE, GREEN = (10, 20, 240), (10, 240, 20)  # of the two classes


def instances(*boxes, labels, **fields):
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.long),
        **fields,
    )


def sample(folder, name):
    """An orange image with a dog, a difficult cat, and 2 detections."""
    path = folder / f'{name}.png'
    Image.new('RGB', SIZE, ORANGE).save(path)
    return DetDataSample(
        metainfo=dict(img_path=str(path)),
        gt_instances=instances((20, 60, 90, 140), labels=[0]),
        ignored_instances=instances((110, 60, 180, 140), labels=[1]),
        pred_instances=instances(
            (20, 60, 90, 140), (110, 60, 180, 140),
            labels=[0, 1], scores=torch.tensor([0.9, 0.2]),
        ),
    )  # fmt: skip


def draw(folder, samples, **kwargs):
    """Run the hook over batches of 2; gives the names of the pictures."""
    dataset = SimpleNamespace(
        metainfo=dict(classes=('dog', 'cat'), palette=[BLUE, GREEN])
    )
    runner = SimpleNamespace(
        test_dataloader=SimpleNamespace(dataset=dataset),
        logger=MMLogger.get_instance('pictures'),
    )
    hook = DetectionPictureHook(str(folder), **kwargs)
    hook.before_test(runner)
    for index in range(0, len(samples), 2):
        hook.after_test_iter(runner, index, {}, samples[index : index + 2])
    hook.after_test(runner)
    return sorted(path.name for path in folder.iterdir())


def share_of(colour, pixels):
    """How much of an area is about of a colour."""
    near = np.abs(pixels.astype(int) - colour).max(axis=-1) < 90
    return near.mean()


def test_pictures__truth_left_detections_right(tmp_path):
    out = tmp_path / 'out'
    assert draw(out, [sample(tmp_path, 'a')]) == ['a_found.jpg']
    pixels = np.asarray(Image.open(out / 'a_found.jpg'))
    assert pixels.shape == (160, 400, 3)
    truth, found = pixels[:, :200], pixels[:, 200:]
    # The lower edges of the boxes, 3 pixels wide.
    dog, cat = np.s_[138:142, 30:80], np.s_[138:142, 120:170]
    assert share_of(BLUE, truth[dog]) > 0.2
    assert share_of(GREEN, truth[cat]) > 0.2  # difficult, but drawn
    assert share_of(BLUE, found[dog]) > 0.2
    assert share_of(GREEN, found[cat]) == 0  # a score of 0.2 is too low
    # Colours are those of the image: no channels are swapped.
    assert share_of(ORANGE, pixels[:40, :15]) == 1
    assert share_of(ORANGE[::-1], pixels[:40, :15]) == 0


def test_pictures__difficult_has_a_mark(tmp_path, monkeypatch):
    from mmdet.visualization import DetLocalVisualizer

    written = []
    monkeypatch.setattr(
        DetLocalVisualizer,
        'draw_texts',
        lambda self, text, *_, **__: written.append(text),
    )
    draw(tmp_path / 'out', [sample(tmp_path, 'a')], score_thr=0.1)
    assert written == ['dog', 'cat?', 'dog: 90.0', 'cat: 20.0']


def test_pictures__box_over_the_border_shrinks_nothing(tmp_path):
    beyond = sample(tmp_path, 'a')
    beyond.pred_instances = instances(
        (20, 60, SIZE[0] + 9, SIZE[1] + 9), labels=[0], scores=torch.ones(1)
    )
    draw(tmp_path / 'out', [beyond])
    pixels = np.asarray(Image.open(tmp_path / 'out' / 'a_found.jpg'))
    assert pixels.shape == (160, 400, 3)
    # Inside of the box, up to its lines in the last rows.
    assert share_of(ORANGE, pixels[100:154, 300:394]) == 1
    assert share_of(BLUE, pixels[157:, 300:390]) > 0.2


def test_pictures__as_many_as_asked_for(tmp_path):
    samples = [sample(tmp_path, name) for name in 'abcde']
    assert draw(tmp_path / 'out', samples, num_images=3) == [
        f'{name}_found.jpg' for name in 'abc'
    ]


def test_pictures__of_nothing(tmp_path):
    empty = sample(tmp_path, 'a')
    for key in ('gt_instances', 'ignored_instances'):
        setattr(empty, key, instances(labels=[]))
    empty.pred_instances = instances(labels=[], scores=torch.zeros(0))
    assert draw(tmp_path / 'out', [empty]) == ['a_found.jpg']
    pixels = cv2.imread(str(tmp_path / 'out' / 'a_found.jpg'))
    assert share_of(ORANGE[::-1], pixels) == 1


def test_num_images__is_positive(tmp_path):
    with pytest.raises(ValueError, match=r'num_images \(0\) must be at leas'):
        DetectionPictureHook(str(tmp_path), num_images=0)
