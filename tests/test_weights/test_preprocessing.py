"""What a network saw of an image, stored and compared."""

import pytest

from mmisl.weights import (
    IMAGENET,
    META_KEY,
    Preprocessing,
    check_preprocessing,
    stored_preprocessing,
)

BGR = Preprocessing('bgr', (103.53, 116.28, 123.675), (1.0,))


@pytest.mark.parametrize(
    'args, match',
    [
        (('grb', (0,), (1,)), "order must be 'rgb' or 'bgr', got 'grb'"),
        (('rgb', (0, 1), (1,)), r'mean must be 3 numbers .* \(0.0, 1.0\)'),
        (('rgb', (0,), (1, 0, 1)), r'std must be greater than 0, got \(1.0,'),
    ],
)
def test_init__values_are_checked(args, match):
    with pytest.raises(ValueError, match=match):
        Preprocessing(*args)


def test_stored_preprocessing__is_what_was_stored():
    checkpoint = dict(meta={META_KEY: BGR.to_meta()}, state_dict={})
    assert stored_preprocessing(checkpoint) == BGR
    assert BGR.std == (1.0, 1.0, 1.0)
    assert stored_preprocessing(dict(meta={}, state_dict={})) is None
    assert stored_preprocessing(dict(state_dict={})) is None


def test_check_preprocessing__rounded_numbers_are_the_same():
    rounded = Preprocessing('rgb', (123.7, 116.3, 103.5), (58.4, 57.1, 57.4))
    check_preprocessing(IMAGENET, rounded, checkpoint='a.pth')
    check_preprocessing(rounded, IMAGENET, checkpoint='a.pth')


def test_check_preprocessing__both_sides_and_the_cure_are_named():
    with pytest.raises(ValueError) as caught:
        check_preprocessing(IMAGENET, BGR, checkpoint='a.pth')
    assert str(caught.value) == (
        'the weights of a.pth were trained on RGB, mean (123.675, 116.28, '
        '103.53), std (58.395, 57.12, 57.375), but this config shows them '
        'BGR, mean (103.53, 116.28, 123.675), std (1, 1, 1); in '
        'data_preprocessor turn the channels round to RGB with to_rgb, '
        'bgr_to_rgb or rgb_to_bgr, set mean=[123.675, 116.28, 103.53], set '
        'std=[58.395, 57.12, 57.375]'
    )


@pytest.mark.parametrize(
    'own, cure',
    [
        (Preprocessing('bgr', IMAGENET.mean, IMAGENET.std), 'turn the chann'),
        (Preprocessing('rgb', IMAGENET.mean[::-1], IMAGENET.std), r'set mean'),
        (Preprocessing('rgb', IMAGENET.mean, (58.395,)), 'set std='),
    ],
)
def test_check_preprocessing__one_difference_has_one_cure(own, cure):
    match = f'in data_preprocessor {cure}[^;]*$'
    with pytest.raises(ValueError, match=match) as caught:
        check_preprocessing(IMAGENET, own, checkpoint='a.pth')
    cures = str(caught.value).partition('; ')[2]
    assert sum(word in cures for word in ('turn', 'mean=', 'std=')) == 1
