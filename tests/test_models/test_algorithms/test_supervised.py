import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from torch.nn.functional import cross_entropy

from mmisl.models import AugmentingPreprocessor
from mmisl.models.algorithms import Supervised

PARTS = dict(
    backbone=dict(
        type='ResNet_CIFAR', depth=18, stem_channels=4, base_channels=4
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=32),
)
LABELS = [2, 0, 1]


@pytest.fixture
def model():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return Supervised(**PARTS).eval()


@pytest.fixture
def images():
    return torch.rand(3, 3, 16, 16)


def samples(indices=(5, 0, 3), labels=LABELS):
    return [
        DataSample(metainfo=dict(sample_idx=i)).set_gt_label(label)
        for i, label in zip(indices, labels)
    ]


def test_loss__is_that_of_the_plain_classifier(model, images):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        plain = ImageClassifier(**PARTS).eval()
    # Its checkpoints, key by key.
    plain.load_state_dict(model.state_dict())
    loss = model(images, samples(), mode='loss')
    expected = plain(images, samples(), mode='loss')
    torch.testing.assert_close(loss, expected)


def test_loss__padded_copies_take_no_part(model, images):
    loss = model(images, samples((5, -1, 3)), mode='loss')['loss']
    score = model.head((model(images, mode='backbone'),))
    expected = cross_entropy(score[[0, 2]], torch.tensor([2, 1]))
    torch.testing.assert_close(loss, expected)
    none = model(images, samples((-1, -1, -1)), mode='loss')['loss']
    none.backward()
    assert none == 0


def test_predict__feature_and_score(model, images):
    done = model(images, samples(), mode='predict')
    feats = model(images, mode='tensor')
    for sample, feat, label in zip(done, feats, LABELS):
        torch.testing.assert_close(sample.feat, feat)
        assert sample.gt_label.item() == label
        assert sample.pred_score.shape == (3,)
    torch.testing.assert_close(feats.norm(dim=1), torch.ones(3))


def test_check_labels__of_the_whole_training_set(model):
    model.check_labels(torch.tensor(LABELS))
    with pytest.raises(ValueError, match='num_classes is 3, .* from 0 to 3'):
        model.check_labels(torch.tensor([0, 3, 1]))
    with pytest.raises(ValueError, match='training set has none; take a lab'):
        model.check_labels(None)


def test_loss__an_image_without_a_label(model, images):
    bare = [DataSample(metainfo=dict(sample_idx=i)) for i in range(3)]
    with pytest.raises(ValueError, match='needs a label of every image'):
        model(images, bare, mode='loss')


def test_mine__there_is_nothing_to_mine(model):
    with pytest.raises(TypeError, match='Supervised looks for no positives'):
        model.mine([], 0.5, 0)
    with pytest.raises(TypeError, match='Supervised has no memory bank'):
        model.refresh_memory([])


def test_init_weights__takes_the_backbone_of_a_checkpoint(model, tmp_path):
    path = tmp_path / 'pretrained.pth'
    state = {**model.state_dict(), 'memory.bank': torch.rand(3, 2)}
    torch.save(dict(state_dict=state), path)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        tuned = Supervised(**PARTS, checkpoint=str(path))
    tuned.init_weights()
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(tuned.backbone.state_dict()[key], value), key
    # All of it is trained, the classifier from new weights.
    assert all(param.requires_grad for param in tuned.parameters())
    assert not torch.equal(tuned.head.fc.weight, model.head.fc.weight)


def test_init_weights__checkpoint_of_another_network(model, tmp_path):
    path = tmp_path / 'pretrained.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    deeper = {**PARTS, 'backbone': {**PARTS['backbone'], 'depth': 34}}
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        tuned = Supervised(**deeper, checkpoint=str(path))
    with pytest.raises(ValueError, match='pretrained.pth misses layer1.2'):
        tuned.init_weights()


def test_init__takes_a_preprocessor_that_is_not_of_mmpretrain():
    """One that augments on the device, which knows no ``batch_augments``."""
    preprocessor = dict(
        type='mmisl.AugmentingPreprocessor',
        augments=[],
        mean=[1.0] * 3,
        std=[2.0] * 3,
    )
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = Supervised(**PARTS, data_preprocessor=preprocessor)
    assert isinstance(model.data_preprocessor, AugmentingPreprocessor)
