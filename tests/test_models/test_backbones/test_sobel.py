import numpy as np
import pytest
import torch
from scipy.ndimage import sobel

from mmisl.models.backbones import AlexNetBN
from mmisl.models.backbones.sobel import SobelFilter


def test_sobel__is_that_of_scipy():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 3, 9, 7))
    found = SobelFilter()(torch.from_numpy(images))
    assert found.shape == (2, 2, 9, 7)
    assert found.dtype == torch.float64
    for image, maps in zip(images, found.numpy()):
        grey = image.sum(0) / 3
        # scipy subtracts the value before from the value behind.
        for axis, derivative in zip((1, 0), maps):
            expected = -sobel(grey, axis=axis, mode='constant')
            np.testing.assert_allclose(derivative, expected, atol=1e-12)


def test_alexnet__sees_derivatives_alone():
    backbone = AlexNetBN('small', sobel=True, out_indices=(0,)).eval()
    assert backbone.conv1[0].weight.shape == (64, 2, 3, 3)
    assert not any('sobel' in key for key in backbone.state_dict())
    assert not any('sobel' in name for name, _ in backbone.named_parameters())
    images = torch.rand(2, 3, 16, 16)
    (found,) = backbone(images)
    torch.testing.assert_close(found, backbone.conv1(SobelFilter()(images)))
    # Away from the border brightness makes no difference, nor does which
    # channel holds it.
    (brighter,) = backbone(images.flip(1) + 0.5)
    torch.testing.assert_close(
        brighter[..., 2:-2, 2:-2], found[..., 2:-2, 2:-2]
    )


def test_alexnet__channels():
    channels = (9, 25, 38, 37, 26)
    backbone = AlexNetBN('small', channels=channels, out_indices=range(5))
    maps = backbone(torch.rand(2, 3, 16, 16))
    assert tuple(one.shape[1] for one in maps) == channels


def test_alexnet__number_of_channels():
    with pytest.raises(ValueError, match=r'must be 5 numbers.*got \(9, 25\)'):
        AlexNetBN('small', channels=(9, 25))
