import kornia.enhance
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torchvision.transforms import ColorJitter
from torchvision.transforms import functional as tvf

from mmisl.models import (
    BatchColorJitter,
    BatchRandomGrayscale,
    BatchRandomHorizontalFlip,
)
from mmisl.models.data_preprocessors.batch_colour import jitter_colours

STEPS = (
    tvf.adjust_brightness,
    tvf.adjust_contrast,
    tvf.adjust_saturation,
    tvf.adjust_hue,
)


def draws(num_rows, num_draws):
    return torch.rand(num_rows, num_draws, dtype=torch.float64)


def smooth_images(num_images, size=12):
    """(B, 3, size, size) uint8: photographs are no noise."""
    coarse = torch.rand(num_images, 3, 4, 4)
    images = torch.nn.functional.interpolate(
        coarse, size, mode='bicubic', align_corners=False
    )
    return (images.clamp(0, 1) * 255).round().byte()


def pillow(image):
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def pixels(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float()


def in_turn(image, factors, order):
    for step in order.tolist():
        image = STEPS[step](image, factors[step].item())
    return image


def test_jitter_colours__equals_torchvision_on_floats():
    images = smooth_images(30).float() / 255
    jitter = BatchColorJitter(0.4, 0.4, saturation=0.4, hue=0.4)
    factors, order = jitter.draw(draws(30, 8))

    found = jitter_colours(images, factors, order)

    assert len(order.unique(dim=0)) > 10
    for row, image in enumerate(images):
        expected = in_turn(image, factors[row], order[row])
        torch.testing.assert_close(found[row], expected, atol=1e-4, rtol=0)


def test_jitter_colours__pillow_up_to_its_rounding():
    images = smooth_images(60)
    jitter = BatchColorJitter(0.4, 0.4, saturation=0.4, hue=0.4)
    factors, order = jitter.draw(draws(60, 8))

    found = jitter_colours(images.float() / 255, factors, order) * 255

    errors = torch.stack(
        [
            found[row] - pixels(in_turn(pillow(image), *both))
            for row, (image, *both) in enumerate(zip(images, factors, order))
        ]
    )
    # Pillow rounds down after each step, and hue in three channels of 8 bits.
    assert errors.abs().mean() < 2
    assert errors.abs().quantile(0.9) < 4


@pytest.mark.parametrize('step', range(4))
def test_jitter_colours__one_step_of_pillow(step):
    images = smooth_images(20)
    neutral = torch.tensor([1.0, 1.0, 1.0, 0.0])
    factors = neutral.repeat(20, 1)
    factors[:, step] = torch.linspace(-0.4, 0.4, 20) + neutral[step]
    order = torch.stack([torch.randperm(4) for _ in range(20)])

    found = jitter_colours(images.float() / 255, factors, order) * 255

    errors = torch.stack(
        [
            found[row] - pixels(STEPS[step](pillow(image), factor.item()))
            for row, (image, factor) in enumerate(
                zip(images, factors[:, step])
            )
        ]
    )
    # Pillow rounds down, to 256 hues as well: 6 grey levels from one to the
    # next in pure colours, and both ways and the turn are rounded.
    assert errors.abs().max() < (20 if step == 3 else 1.5)
    assert errors.abs().mean() < 1


def test_jitter_colours__equals_kornia():
    images = smooth_images(5).float() / 255
    factors = torch.tensor([[1.3, 0.7, 1.2, 0.1]]).repeat(5, 1)
    order = torch.tensor([[2, 0, 3, 1]]).repeat(5, 1)

    expected = images
    for function, factor in (
        (kornia.enhance.adjust_saturation_with_gray_subtraction, 1.2),
        (kornia.enhance.adjust_brightness_accumulative, 1.3),
        (kornia.enhance.adjust_hue, 0.1 * 2 * np.pi),
        (kornia.enhance.adjust_contrast_with_mean_subtraction, 0.7),
    ):
        expected = function(expected, factor)

    found = jitter_colours(images, factors, order)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_jitter_colours__neutral_factors_change_nothing():
    images = torch.rand(3, 3, 4, 5)
    jitter = BatchColorJitter()
    assert torch.equal(jitter(images, draws(3, 8)), images)


@pytest.mark.parametrize('strength', [0.4, 1.6])
def test_draw__distributed_as_torchvision(strength):
    hue = min(strength, 0.5)
    theirs = ColorJitter(strength, strength, strength, hue)
    ranges = theirs.brightness, theirs.contrast, theirs.saturation, theirs.hue
    drawn = [ColorJitter.get_params(*ranges) for _ in range(3000)]
    wanted = np.array([factors for _, *factors in drawn])
    orders = np.stack([order.numpy() for order, *_ in drawn])

    jitter = BatchColorJitter(strength, strength, saturation=strength, hue=hue)
    factors, order = jitter.draw(draws(3000, 8))

    for column in range(4):
        found = factors[:, column].numpy()
        assert stats.ks_2samp(found, wanted[:, column]).pvalue > 0.01
    # All 24 orders, as often as there.
    code = np.array([64, 16, 4, 1])
    counts = [
        np.unique(rows @ code, return_counts=True)[1]
        for rows in (order.numpy(), orders)
    ]
    assert len(counts[0]) == len(counts[1]) == 24
    assert stats.chi2_contingency(np.stack(counts)).pvalue > 0.01


def test_grayscale__chosen_images_only():
    images = smooth_images(2)
    found = BatchRandomGrayscale(0.2)(
        images.float() / 255, torch.tensor([[0.3], [0.1]])
    )
    assert torch.equal(found[0], images[0].float() / 255)
    expected = pixels(tvf.to_grayscale(pillow(images[1]), 3))
    assert (found[1] * 255 - expected).abs().max() < 1


def test_flip__chosen_images_only():
    images = torch.rand(2, 3, 4, 5)
    found = BatchRandomHorizontalFlip(0.5)(
        images, torch.tensor([[0.5], [0.4]])
    )
    assert torch.equal(found[0], images[0])
    assert torch.equal(found[1], tvf.hflip(images[1]))


def test_init__out_of_range():
    with pytest.raises(ValueError, match=r'hue in \[0, 0.5\], got .*0.6'):
        BatchColorJitter(hue=0.6)
    with pytest.raises(ValueError, match=r'at least 0 .*got \(-1, 0, 0, 0\)'):
        BatchColorJitter(brightness=-1)
    for augment in (BatchRandomGrayscale, BatchRandomHorizontalFlip):
        with pytest.raises(ValueError, match=r'p must .* got 1.5'):
            augment(1.5)
