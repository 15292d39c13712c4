"""What TensorBoard, Weights & Biases and the disk get of a run, resumed."""

import struct
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_run import NUM_BATCHES, make_config, train, write_data

NAME = 'mining/neighbors'
LOCAL = dict(type='LocalVisBackend')
TENSORBOARD = dict(type='TensorboardVisBackend')
WANDB = dict(
    type='mmisl.WandbBackend',
    init_kwargs=dict(mode='offline', project='tiny'),
)
# Two rounds of one epoch, with the hooks that every config has.
SHORT = {
    'train_cfg.max_rounds': 2,
    'train_cfg.encoder': dict(max_epochs=1, val_interval=1),
    'default_hooks.logger.interval': 2,
}


def run_twice(backends, root):
    """Log folders of a run of two epochs and of its second one, resumed."""
    data = write_data(root / 'data')
    overrides = {**SHORT, 'visualizer.vis_backends': backends}
    starts = []
    for resume in (None, root / 'run' / 'epoch_1.pth'):
        cfg = make_config(data, root / 'run', overrides)
        starts.append(Path(train(cfg, resume=resume).log_dir, 'vis_data'))
    return starts


@pytest.fixture(scope='module')
def starts(tmp_path_factory):
    return run_twice([LOCAL, TENSORBOARD], tmp_path_factory.mktemp('both'))


def events_of(folder):
    module = 'tensorboard.backend.event_processing.event_accumulator'
    accumulator = pytest.importorskip(module)
    return accumulator.EventAccumulator(str(folder)).Reload()


def steps_of(events, name):
    return [event.step for event in events.Scalars(name)]


def test_tensorboard__has_losses_mining_and_stages(starts):
    events = events_of(starts[0])
    assert steps_of(events, 'loss') == [2, 4, 6, 8, 10, 12]
    assert steps_of(events, 'knn/bank_top1') == [1, 2]
    assert steps_of(events, 'mining/mean_degree') == [1]
    assert steps_of(events, 'stage/mining_seconds') == [1]
    assert steps_of(events, 'stage/encoder_seconds') == [1, 2]
    (event,) = events.Scalars('mining/num_edges')
    assert event.value > 0


def test_tensorboard__a_resumed_run_goes_on_counting(starts):
    events = events_of(starts[1])
    assert min(steps_of(events, 'loss')) > NUM_BATCHES
    assert steps_of(events, 'knn/bank_top1') == [2]
    assert steps_of(events, 'stage/encoder_seconds') == [2]


def test_picture__is_the_same_on_the_disk_and_in_tensorboard(starts):
    (event,) = events_of(starts[0]).Images(NAME)
    assert event.step == 1
    path = starts[0] / 'vis_image' / f'{NAME}_1.png'
    with Image.open(path) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (event.height, event.width, 3)
    # More than white paper: frames and images are drawn.
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100


def wandb_records(folder):
    """What an offline run has written, by the kind of record.

    The file is a log of LevelDB: after 7 bytes of header, blocks of 32 KiB
    with parts of records, each behind a checksum, a length and a type.
    """
    proto = pytest.importorskip('wandb.proto.wandb_internal_pb2')
    (path,) = folder.glob('wandb/offline-run-*/*.wandb')
    content = path.read_bytes()
    records = defaultdict(list)
    position, parts = 7, []
    while position + 7 <= len(content):
        left = 32768 - position % 32768
        if left < 7:  # too little for a part: padded
            position += left
            continue
        _, length, kind = struct.unpack_from('<IHB', content, position)
        position += 7
        parts.append(content[position : position + length])
        position += length
        if kind in (1, 4):  # whole, or the last part
            record = proto.Record.FromString(b''.join(parts))
            name = record.WhichOneof('record_type')
            records[name].append(getattr(record, name))
            parts = []
    return records


def rows_of(records):
    """History: one dict of JSON texts for each row."""
    return [
        {(i.key or '.'.join(i.nested_key)): i.value_json for i in row.item}
        for row in records['history']
    ]


@pytest.fixture(scope='module')
def wandb_starts(tmp_path_factory):
    wandb = pytest.importorskip('wandb')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('WANDB_SILENT', 'true')
        folders = run_twice([WANDB], tmp_path_factory.mktemp('wandb'))
        # Its own process writes the files; it has ended after this.
        wandb.teardown()
    return [wandb_records(folder) for folder in folders]


def test_wandb__has_losses_mining_and_the_picture(wandb_starts):
    rows = rows_of(wandb_starts[0])
    iters = [row['iter'] for row in rows if 'loss' in row]
    assert iters == ['2', '4', '6', '8', '10', '12']
    (mined,) = [row for row in rows if 'mining/mean_degree' in row]
    assert mined['epoch'] == '1' and float(mined['mining/num_edges']) > 0
    (picture,) = [row for row in rows if any(NAME in key for key in row)]
    assert picture['epoch'] == '1'
    assert [r['epoch'] for r in rows if 'knn/bank_top1' in r] == ['1', '2']


def test_wandb__axes_are_iterations_and_epochs(wandb_starts):
    axes = {m.name: m.step_metric for m in wandb_starts[0]['metric']}
    assert axes['loss'] == 'iter'
    assert axes['knn/bank_top1'] == axes['mining/purity'] == 'epoch'
    assert axes[NAME] == axes['stage/mining_seconds'] == 'epoch'


def test_wandb__a_resumed_run_is_the_same_run(wandb_starts):
    first, second = wandb_starts
    (before,), (after,) = first['run'], second['run']
    assert before.run_id == after.run_id
    assert before.project == after.project == 'tiny'
    assert before.display_name == after.display_name == 'run'
    iters = [int(row['iter']) for row in rows_of(second) if 'loss' in row]
    assert iters and min(iters) > NUM_BATCHES
