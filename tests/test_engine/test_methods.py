"""What must hold for every method: training, resuming, several processes."""

import importlib
import signal
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from test_resume import (
    assert_plain,
    assert_same_run,
    die_at_iter,
    exit_code_of,
    start,
)
from test_two_processes import run_ranks
from tiny_run import (
    BATCH_SIZE,
    NUM_BATCHES,
    checkpoint_of,
    make_config,
    train,
    write_data,
)

from mmisl.registry import MODELS
from mmisl.structures import list_snapshots

FOLDER = Path(__file__).resolve().parents[1] / 'tiny_methods'
NUM_METHODS = 10
METHODS = sorted(path.stem for path in FOLDER.glob('[a-z]*.py'))
HOOKS = [
    dict(type='MemoryBankHook'),
    dict(type='KNNGalleryHook'),
    dict(type='MiningSnapshotHook', num_neighbors=3),
    dict(type='RecorderHook'),
]


def overrides_of(name):
    module = importlib.import_module(f'tiny_methods.{name}')
    # Weights that rounding does not tip over; see test_two_processes.py.
    return {**module.OVERRIDES, 'randomness.seed': 3, 'custom_hooks': HOOKS}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module', params=METHODS)
def overrides(request):
    return overrides_of(request.param)


@pytest.fixture(scope='module')
def whole(data, overrides, tmp_path_factory):
    """Folder of an uninterrupted run of one process."""
    folder = tmp_path_factory.mktemp('whole')
    train(make_config(data, folder, overrides))
    return folder


@pytest.fixture(scope='module')
def record(whole):
    return torch.load(whole / 'rank0.pth', weights_only=True)


@pytest.fixture(scope='module')
def num_epochs(record):
    num_epochs, rest = divmod(len(record['losses']), NUM_BATCHES)
    assert num_epochs >= 3 and rest == 0
    return num_epochs


def test_methods__number():
    assert len(METHODS) == NUM_METHODS


def test_run__trains(record, whole, num_epochs):
    losses = torch.tensor(record['losses'])
    assert losses.isfinite().all()
    assert 'knn/recomputed_top1' in record['metrics'][-1]
    checkpoint = checkpoint_of(whole, num_epochs)
    assert_plain(checkpoint)
    earlier = checkpoint_of(whole, num_epochs - 1)['state_dict']
    moved = [
        key
        for key, value in checkpoint['state_dict'].items()
        if key.startswith('backbone.') and not torch.equal(value, earlier[key])
    ]
    assert moved


def test_resume__killed_in_the_second_and_in_the_last_epoch(
    data, overrides, whole, num_epochs, tmp_path
):
    config = tmp_path / 'killed.py'
    work_dir = tmp_path / 'killed'
    workers = {
        'train_dataloader.num_workers': 1,
        'train_dataloader.persistent_workers': True,
    }
    make_config(data, work_dir, {**overrides, **workers}).dump(config)
    # The last epoch trains on what was mined, and comes after a checkpoint.
    for epoch in (1, num_epochs - 1):
        kill = (die_at_iter, epoch * NUM_BATCHES + 2)
        assert exit_code_of(start(config, kill)) == -signal.SIGKILL
        assert (work_dir / f'epoch_{epoch}.pth').is_file()
    assert exit_code_of(start(config, None)) == 0
    assert_same_run(
        checkpoint_of(work_dir, num_epochs), checkpoint_of(whole, num_epochs)
    )
    mined = snapshots_of(work_dir)
    assert mined == snapshots_of(whole)
    mines = make_config(data, work_dir, overrides).train_cfg.max_rounds > 1
    assert bool(mined) is mines


def snapshots_of(folder):
    """Bytes of every snapshot, by name."""
    return {path.name: path.read_bytes() for path in list_snapshots(folder)}


def test_two_ranks__give_the_run_of_one(data, overrides, record, tmp_path):
    cfg = make_config(data, tmp_path / 'run', overrides)
    cfg.train_dataloader.batch_size = BATCH_SIZE // 2
    cfg.dump(tmp_path / 'config.py')
    codes = run_ranks(tmp_path / 'config.py', 2)
    assert codes == [0, 0], (tmp_path / '0.log').read_text()
    ranks = [
        torch.load(tmp_path / 'run' / f'rank{rank}.pth', weights_only=True)
        for rank in range(2)
    ]
    mean = sum(torch.tensor(rank['losses']) for rank in ranks) / 2
    torch.testing.assert_close(
        mean, torch.tensor(record['losses']), rtol=1e-4, atol=1e-4
    )
    for key, expected in record['state_dict'].items():
        first, second = (rank['state_dict'][key] for rank in ranks)
        if key == 'memory.bank' and cfg.model.memory.get('sharded'):
            continue  # a rank's state dict has no rows of it
        assert torch.equal(first, second), key
        torch.testing.assert_close(
            first, expected, rtol=1e-3, atol=1e-4, msg=key
        )


def test_loss__falls_on_one_batch(data, overrides, tmp_path):
    cfg = make_config(data, tmp_path, overrides)
    cfg.model['data_preprocessor'] = cfg.data_preprocessor
    with DefaultScope.overwrite_default_scope('mmisl'):
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
        model = MODELS.build(cfg.model)
    num_samples = loader.dataset.num_instances
    model.set_num_samples(num_samples)
    if model.graph is not None:
        ends = torch.arange(num_samples - 3)
        model.graph.add_edges(ends, ends + 3)  # of one class
    if model.clusters is not None:
        numbers = torch.arange(num_samples) % model.clusters.num_clusters
        shape = model.clusters.assignments.shape
        model.clusters.update(numbers.expand(shape))
    batch = loader.collate_fn(
        [loader.dataset[position] for position in range(BATCH_SIZE)]
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    # Bank and queue stay as they were: every step is on the same problem.
    fixed = {
        key: value.clone()
        for key, value in model.named_buffers()
        if key.startswith(('memory.', 'queue.'))
    }
    losses = []
    for _ in range(40):
        outputs = model.train_step(batch, OptimWrapper(optimizer))
        losses.append(outputs['loss'].item())
        if model.memory is not None:
            model.memory.apply_update()
        for key, value in model.named_buffers():
            if key in fixed:
                value.copy_(fixed[key])
    assert sum(losses[-3:]) < 0.95 * sum(losses[:3])


def test_forward__modes(data, overrides, tmp_path):
    cfg = make_config(data, tmp_path, overrides)
    cfg.model['data_preprocessor'] = cfg.data_preprocessor
    model = MODELS.build(Config(dict(model=cfg.model)).model).eval()
    images = torch.rand(3, 3, 16, 16)
    feats = model(images, mode='tensor')
    assert feats.shape[0] == 3
    torch.testing.assert_close(feats.norm(dim=1), torch.ones(3))
    assert model(images, mode='backbone').dim() == 2
    with pytest.raises(ValueError, match="mode must be .* got 'tensors'"):
        model(images, mode='tensors')
