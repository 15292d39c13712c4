"""What a run says when something is wrong, and what it leaves as it was."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from tiny_methods import local_aggregation, npid, supervised
from tiny_run import (
    checkpoint_of,
    files_of,
    make_config,
    train,
    write_data,
    write_images,
)

from mmisl.models.heads import ISLHead

# One round, so no mining, and no validation: most of what fails fails before.
SHORT = {
    'train_cfg.max_rounds': 1,
    'val_cfg': None,
    'val_dataloader': None,
    'val_evaluator': None,
    'custom_hooks': [dict(type='MemoryBankHook')],
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture
def stopped(data, tmp_path):
    """Work dir of a run of one epoch, of two that its config asks for."""
    hooks = [*SHORT['custom_hooks'], dict(type='StopHook')]
    with pytest.raises(KeyboardInterrupt):
        train(make_config(data, tmp_path, {**SHORT, 'custom_hooks': hooks}))
    assert {'epoch_1.pth', 'last_checkpoint'} == set(files_of(tmp_path))
    return tmp_path


@HOOKS.register_module()
class StopHook(Hook):
    """Stops a run in its second epoch."""

    def before_train_epoch(self, runner):
        if runner.epoch == 1:
            raise KeyboardInterrupt


@HOOKS.register_module()
class SpoilHook(Hook):
    """Makes a weight infinite after the last step of an epoch."""

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        if batch_idx + 1 == len(runner.train_dataloader):
            runner.model.neck.projection.weight.data[2, 1] = torch.inf


def go_on(data, work_dir, overrides=None):
    cfg = make_config(data, work_dir, {**SHORT, **(overrides or {})})
    return train(cfg, resume=work_dir / 'epoch_1.pth')


def fails_and_keeps_files(error, match, data, work_dir, overrides=None):
    before = files_of(work_dir)
    with pytest.raises(error, match=match):
        go_on(data, work_dir, overrides)
    assert files_of(work_dir) == before


def test_run__image_that_cannot_be_decoded(tmp_path):
    data = write_data(tmp_path / 'data')
    path = data / 'train' / 'class1' / '004.png'
    path.write_bytes(path.read_bytes()[:60])
    match = r'cannot load image \S+class1/004.png'
    with pytest.raises(RuntimeError, match=match):
        train(make_config(data, tmp_path / 'run', SHORT))
    assert files_of(tmp_path / 'run') == {}


def test_run__empty_folder(tmp_path):
    (tmp_path / 'train').mkdir()
    with pytest.raises(ValueError, match=f'{tmp_path}.*data_root'):
        train(make_config(tmp_path, tmp_path / 'run', SHORT))


@pytest.mark.parametrize('overrides', [{}, supervised.OVERRIDES])
def test_run__one_image(tmp_path, overrides):
    """Refused with a memory bank and without one."""
    write_images(tmp_path / 'train', 1)
    match = f'training needs at least 2 images .* got 1 in {tmp_path}/train'
    with pytest.raises(ValueError, match=match):
        train(make_config(tmp_path, tmp_path / 'run', {**SHORT, **overrides}))


def test_run__seeds_that_differ_by_rank(data, tmp_path):
    overrides = {**SHORT, 'randomness': dict(seed=3, diff_rank_seed=True)}
    match = r'^randomness\.diff_rank_seed is True, .*; leave it out'
    with pytest.raises(ValueError, match=match):
        train(make_config(data, tmp_path, overrides))


def test_run__clusters_of_an_algorithm_without_any(data, tmp_path):
    overrides = {**SHORT, 'train_dataloader.sampler.type': 'ClusterSampler'}
    match = "ISL has no clusters for ClusterSampler.*type='InstanceSampler'"
    with pytest.raises(TypeError, match=match):
        train(make_config(data, tmp_path, overrides))


def test_run__no_encoder_epochs(data, tmp_path):
    overrides = {**SHORT, 'train_cfg.encoder': None}
    with pytest.raises(ValueError, match='train_cfg.encoder is None; set it'):
        train(make_config(data, tmp_path, overrides))


def test_run__rounds_of_a_method_that_mines_nothing(data, tmp_path):
    overrides = {**npid.OVERRIDES, 'train_cfg.max_rounds': 2}
    message = 'max_rounds is 2, but NPID looks for no positives.* set it to 1'
    with pytest.raises(ValueError, match=message):
        train(make_config(data, tmp_path, overrides))


def test_run__one_round_of_a_method_that_clusters(data, tmp_path):
    overrides = {**local_aggregation.OVERRIDES, 'train_cfg.max_rounds': 1}
    message = 'max_rounds is 1, but LocalAggregation clusters its samples'
    with pytest.raises(ValueError, match=message):
        train(make_config(data, tmp_path, overrides))


def test_run__a_class_that_the_classifier_lacks(data, tmp_path):
    overrides = {
        **supervised.OVERRIDES,
        'model': {
            **supervised.OVERRIDES['model'],
            'head': {
                **supervised.OVERRIDES['model']['head'],
                'num_classes': 2,
            },
        },
    }
    message = 'num_classes is 2, but the training set has labels from 0 to 2'
    with pytest.raises(ValueError, match=message):
        train(make_config(data, tmp_path, overrides))


def test_run__fewer_images_than_topk(tmp_path):
    write_images(tmp_path / 'train', 5)
    write_images(tmp_path / 'test', 4, seed=1)
    overrides = {
        'train_cfg.max_rounds': 2,
        'train_cfg.encoder.max_epochs': 1,
        'val_evaluator.k': 200,
        'model.miner.topk': 10,
    }
    runner = train(make_config(tmp_path, tmp_path / 'run', overrides))
    # A quota of one neighbour for each of 5 images: 2 edges.
    assert runner.model.graph.num_edges == 2
    scalars = runner.message_hub.log_scalars
    assert 0 <= scalars['val/knn/recomputed_top1'].current() <= 100


def test_run__loss_is_nan(data, stopped, monkeypatch):
    loss = ISLHead.loss

    def patched(head, feats, *args):
        return loss(head, feats * torch.nan, *args)

    monkeypatch.setattr(ISLHead, 'loss', patched)
    fails_and_keeps_files(
        RuntimeError,
        r'not finite in epoch 2, iteration 7 \(loss nan.*untouched. Lower',
        data,
        stopped,
    )


def test_run__loss_diverges(data, tmp_path):
    overrides = {**SHORT, 'optim_wrapper.optimizer.lr': 1e30}
    with pytest.raises(RuntimeError, match='loss is not finite in epoch 1'):
        train(make_config(data, tmp_path, overrides))
    assert files_of(tmp_path) == {}


def test_save__weights_are_not_finite(data, stopped):
    hooks = [*SHORT['custom_hooks'], dict(type='SpoilHook')]
    fails_and_keeps_files(
        RuntimeError,
        'neck.projection.weight holds NaN or infinity .*epoch 2.*untouched',
        data,
        stopped,
        dict(custom_hooks=hooks),
    )


def test_save__disk_is_full(data, stopped):
    before = files_of(stopped)
    # Every write to /dev/full fails as on a full disk.
    (stopped / 'epoch_2.pth.partial').symlink_to('/dev/full')
    match = (
        'epoch_2.pth: No space left on device; earlier.*go on with --resume'
    )
    with pytest.raises(RuntimeError, match=match):
        go_on(data, stopped)
    assert not list(stopped.glob('*.partial'))
    assert files_of(stopped) == before

    go_on(data, stopped)  # room was made
    assert checkpoint_of(stopped, 2)['meta']['epoch'] == 2
    assert 'epoch_2.pth' in (stopped / 'last_checkpoint').read_text()


def test_resume__another_data_set_size(stopped, tmp_path_factory):
    other = tmp_path_factory.mktemp('other')
    write_images(other / 'train', 40)
    message = 'checkpoint is of 41 samples, but .* of 40; use'
    fails_and_keeps_files(ValueError, message, other, stopped)


def test_resume__keys_are_missing(data, stopped):
    path = stopped / 'epoch_1.pth'
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint['state_dict']['memory.bank']
    torch.save(checkpoint, path)
    fails_and_keeps_files(
        ValueError, 'the checkpoint misses memory.bank. Use', data, stopped
    )


def test_resume__keys_are_unknown(data, stopped):
    path = stopped / 'epoch_1.pth'
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['state_dict']['head.scale'] = torch.ones(())
    torch.save(checkpoint, path)
    fails_and_keeps_files(
        ValueError, 'has, unknown to the model, head.scale', data, stopped
    )


def test_resume__only_weights(data, stopped):
    path = stopped / 'epoch_1.pth'
    checkpoint = torch.load(path, weights_only=True)
    weights = {key: checkpoint[key] for key in ('meta', 'state_dict')}
    torch.save(weights, path)
    fails_and_keeps_files(
        ValueError, 'holds no optimizer state.*load_from', data, stopped
    )


@pytest.mark.parametrize('num_rounds', [1, 2])
def test_run__labels_of_a_miner_are_looked_for_first(
    data, tmp_path, num_rounds
):
    """Not when they are wanted; where nothing is mined, not at all."""
    options = {
        **SHORT,
        'train_cfg.max_rounds': num_rounds,
        'model.miner': dict(
            _delete_=True,
            type='LabelMiner',
            labels=str(tmp_path / 'none.npy'),
        ),
    }
    cfg = make_config(data, tmp_path, options)
    if num_rounds == 1:
        train(cfg)
        return
    with pytest.raises(FileNotFoundError, match='none.npy does not exist'):
        train(cfg)
    assert not files_of(tmp_path)
