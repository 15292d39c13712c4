import pytest
import torch
from mmengine.registry import DefaultScope
from torchvision import transforms

from mmisl.models import BatchRandomApply


def build(**kwargs):
    with DefaultScope.overwrite_default_scope('mmisl'):
        return BatchRandomApply(
            dict(type='BatchRandomGrayscale', p=1), **kwargs
        )


def test_call__changes_the_images_that_are_drawn():
    step = build(p=0.3)
    images = torch.rand(5, 3, 4, 6)
    uniform = torch.full((5, step.num_draws), 0.9, dtype=torch.float64)
    uniform[:, 0] = torch.tensor([0.1, 0.29, 0.3, 0.9, 0.0])

    found = step(images, uniform)

    grey = transforms.Grayscale(3)(images)
    for row, expected in enumerate([grey, grey, images, images, grey]):
        assert torch.allclose(found[row], expected[row], atol=1e-3)
    assert not torch.allclose(grey, images, atol=0.1)


def test_num_draws__one_more_than_the_step():
    assert build(p=0.5).num_draws == 1 + build(p=0.5).step.num_draws


@pytest.mark.parametrize('p', [-0.1, 1.1])
def test_init__p_out_of_range(p):
    with pytest.raises(ValueError, match=f'p must lie in .0, 1., got {p}'):
        build(p=p)
