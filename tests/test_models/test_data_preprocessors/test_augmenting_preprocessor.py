import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.structures import DataSample
from PIL import Image
from scipy import stats
from torchvision import transforms

from mmisl.models import AugmentingPreprocessor

MEAN, STD = [125.0, 120.0, 110.0], [50.0, 51.0, 52.0]
AUGMENTS = [
    dict(type='BatchRandomResizedCrop', size=8, scale=(0.2, 1.0)),
    dict(
        type='BatchColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.4,
    ),
    dict(type='BatchRandomGrayscale', p=0.2),
    dict(type='BatchRandomHorizontalFlip'),
]


def build(augments=AUGMENTS, mean=MEAN, std=STD, **kwargs):
    with DefaultScope.overwrite_default_scope('mmisl'):
        return AugmentingPreprocessor(augments, mean=mean, std=std, **kwargs)


def make_batch(keys, size=10):
    """Images that are a function of their key."""
    images, samples = [], []
    for key in keys:
        generator = torch.Generator().manual_seed(key[2])
        images.append(
            torch.randint(0, 256, (3, size, size), generator=generator)
        )
        metainfo = dict(sample_idx=key[2], draw_key=key)
        samples.append(DataSample(metainfo=metainfo).set_gt_label(1))
    return dict(inputs=torch.stack(images).byte(), data_samples=samples)


def test_forward__shape_and_samples():
    batch = make_batch([(1, 0, index, 0) for index in range(5)])
    data = build()(batch, True)

    assert data['inputs'].shape == (5, 3, 8, 8)
    assert data['inputs'].dtype == torch.float32
    assert data['data_samples'] is batch['data_samples']
    lowest = -torch.tensor(MEAN) / torch.tensor(STD)
    assert (data['inputs'].amin((0, 2, 3)) >= lowest - 1e-5).all()


def test_forward__not_training_as_mmpretrain():
    batch = make_batch([(1, 0, index, 0) for index in range(3)])
    plain = ClsDataPreprocessor(mean=MEAN, std=STD)
    found, expected = build()(batch, False), plain(batch, False)
    assert torch.equal(found['inputs'], expected['inputs'])
    assert found['data_samples'] is batch['data_samples']


def test_forward__no_augments_only_normalises():
    batch = make_batch([(1, 0, index, 0) for index in range(2)])
    found = build(())(batch, True)['inputs']
    expected = ClsDataPreprocessor(mean=MEAN, std=STD)(batch, True)['inputs']
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_forward__batch_does_not_matter():
    keys = [(1, 4, index, 0) for index in range(7)]
    together = build()(make_batch(keys), True)['inputs']
    for row, key in enumerate(keys):
        alone = build()(make_batch([key]), True)['inputs'][0]
        torch.testing.assert_close(alone, together[row], atol=1e-5, rtol=0)
    shuffled = [6, 2, 0, 5, 1, 4, 3]
    again = build()(make_batch([keys[row] for row in shuffled]), True)
    assert torch.equal(again['inputs'], together[shuffled])


def test_forward__generators_do_not_matter():
    batch = make_batch([(1, 0, 3, 0), (1, 0, 4, 0)])
    first = build()(batch, True)['inputs']
    before = torch.get_rng_state()
    assert torch.equal(build()(batch, True)['inputs'], first)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize('other', [(2, 0, 3, 0), (1, 2, 3, 0), (1, 0, 3, 1)])
def test_forward__seed_stream_and_copy_change_the_view(other):
    keys = [(1, 0, 3, 0), other]
    first, second = build()(make_batch(keys), True)['inputs']
    assert (first - second).abs().mean() > 0.05


def test_forward__mixed_precision_does_not_reach_pixels():
    batch = make_batch([(1, 0, index, 0) for index in range(4)])
    expected = build()(batch, True)['inputs']
    with torch.autocast('cpu', torch.bfloat16):
        found = build()(batch, True)['inputs']
    assert torch.equal(found, expected)


def test_forward__distributed_as_the_cpu_pipeline():
    """One photograph-like image, 1,500 times through both."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 5, 3))
    image = Image.fromarray(coarse.astype(np.uint8)).resize((32, 32))
    pipeline = transforms.Compose(
        [
            transforms.RandomResizedCrop(8, scale=(0.2, 1.0)),
            transforms.ColorJitter(0.4, 0.4, 0.4, 0.4),
            transforms.RandomGrayscale(p=0.2),
            transforms.RandomHorizontalFlip(),
            transforms.PILToTensor(),
        ]
    )
    theirs = torch.stack([pipeline(image) for _ in range(1500)]).float()
    raw = transforms.functional.pil_to_tensor(image)
    keys = torch.tensor([(1, 0, index, 0) for index in range(1500)])
    ours = build().augment(raw.expand(1500, 3, 32, 32), keys)

    for statistic in (
        lambda images: images[:, 0, 0, 0],
        lambda images: images[:, 2, 4, 5],
        lambda images: images.mean((1, 2, 3)),
        lambda images: images.std((1, 2, 3)),
        lambda images: (images[:, 0] - images[:, 1]).mean((1, 2)),
        lambda images: images[..., :4].mean((1, 2, 3)),
    ):
        pair = [statistic(images).numpy() for images in (ours, theirs)]
        assert stats.ks_2samp(*pair).pvalue > 0.01


def test_forward__sample_without_key():
    batch = make_batch([(1, 0, 0, 0)])
    batch['data_samples'] = [DataSample(metainfo=dict(sample_idx=0))]
    with pytest.raises(ValueError, match='without draw_key .*InstanceDataset'):
        build()(batch, True)


@pytest.mark.parametrize(
    ('change', 'kind'),
    [(torch.Tensor.float, 'torch.float32'), (list, 'list')],
)
def test_forward__other_inputs(change, kind):
    batch = make_batch([(1, 0, 0, 0)])
    batch['inputs'] = change(batch['inputs'])
    with pytest.raises(TypeError, match=f'uint8 tensor, got {kind}; bring'):
        build()(batch, True)


def test_forward__several_views_from_other_numbers():
    batch = make_batch([(1, 0, index, 0) for index in range(4)])
    (first, second), one = (
        build(num_views=n)(batch, True)['inputs'] for n in (2, 1)
    )

    assert torch.equal(first, one)
    assert second.shape == first.shape
    for view, other in zip(first, second):
        assert not torch.allclose(view, other, atol=0.05)


def test_forward__views_are_distributed_alike():
    """The second view flips as often as the first, and independently."""
    keys = [(1, 0, index, 0) for index in range(600)]
    batch = make_batch(keys, size=3)
    augments = [dict(type='BatchRandomHorizontalFlip')]
    plain = build([])(batch, True)['inputs']
    views = build(augments, num_views=2)(batch, True)['inputs']
    flips = [(view != plain).flatten(1).any(1) for view in views]

    for count in (flips[0].sum(), flips[1].sum(), (flips[0] ^ flips[1]).sum()):
        assert stats.binomtest(int(count), 600, 0.5).pvalue > 1e-3


def test_init__no_view():
    with pytest.raises(ValueError, match='num_views must be >= 1, got 0'):
        build(num_views=0)


@pytest.mark.parametrize('num_together', [1, 2, 5])
def test_augment__chunks_do_not_matter(monkeypatch, num_together):
    batch = make_batch([(1, 0, index, 0) for index in range(5)])
    expected = build()(batch, True)['inputs']
    image_bytes = 4 * 3 * 10 * 10
    module = 'mmisl.models.data_preprocessors.augmenting_preprocessor'
    monkeypatch.setattr(
        f'{module}._CHUNK_BYTES', num_together * image_bytes + 1
    )
    preprocessor, sizes = build(), []
    step = preprocessor.augments[0]

    def watched(images, uniform):
        sizes.append(len(images))
        return step(images, uniform)

    watched.num_draws = step.num_draws
    preprocessor.augments[0] = watched
    found = preprocessor(batch, True)['inputs']
    assert max(sizes) == num_together and sum(sizes) == 5
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
