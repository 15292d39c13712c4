import json

import pytest
import torch
from mmengine.config import Config

from mmisl.runs import read_run

ROUNDS = dict(
    type='RoundBasedTrainLoop',
    max_rounds=3,
    encoder=dict(first_epochs=4, max_epochs=2),
)


def write_start(folder, name, records, *, train_cfg=ROUNDS, info=None):
    data = folder / name / 'vis_data'
    data.mkdir(parents=True)
    lines = ''.join(json.dumps(record) + '\n' for record in records)
    (data / 'scalars.json').write_text(lines)
    Config(dict(train_cfg=train_cfg)).dump(data / 'config.py')
    if info is not None:
        (folder / name / 'run.json').write_text(json.dumps(info))


def step(epoch):
    return dict(loss=1.0, epoch=epoch, step=epoch)


def test_read_run__of_two_starts(tmp_path):
    write_start(tmp_path, '20260101_1', [step(1), step(2)], info=dict(seed=1))
    write_start(tmp_path, '20260102_1', [step(2)], info=dict(seed=2))
    torch.save({}, tmp_path / 'epoch_2.pth')
    (tmp_path / 'mining').mkdir()
    (tmp_path / 'mining' / 'round_000.npz').touch()
    run = read_run(tmp_path)
    assert run.scalars == [step(1), step(2)]
    assert run.info == dict(seed=2)
    assert run.config.train_cfg.max_rounds == 3
    assert run.checkpoint == tmp_path / 'epoch_2.pth'
    assert [path.name for path in run.snapshots] == ['round_000.npz']
    assert run.name == tmp_path.name
    assert run.status == 'stopped after epoch 2 of 8'


def test_read_run__finished(tmp_path):
    write_start(tmp_path, '20260101_1', [step(8)])
    assert read_run(tmp_path).status == 'finished'


def test_read_run__of_epochs_without_rounds(tmp_path):
    loop = dict(type='EpochBasedTrainLoop', max_epochs=5)
    write_start(tmp_path, '20260101_1', [step(3)], train_cfg=loop)
    assert read_run(tmp_path).status == 'stopped after epoch 3 of 5'


def test_read_run__of_iterations(tmp_path):
    loop = dict(type='IterBasedTrainLoop', max_iters=900, val_interval=300)
    logged = [dict(loss=1.0, iter=300, step=300), dict(score=1.0, step=300)]
    write_start(tmp_path, '20260101_1', logged, train_cfg=loop)
    assert read_run(tmp_path).status == 'stopped after iteration 300 of 900'
    torch.save({}, tmp_path / 'iter_900.pth')
    assert read_run(tmp_path).status == 'finished'


def test_read_run__died_before_anything_was_whole(tmp_path):
    write_start(tmp_path, '20260101_1', [])
    start = tmp_path / '20260101_1'
    (start / 'vis_data' / 'config.py').write_text('train_cfg = dict(')
    (start / 'run.json').write_text('{"seed":')
    (tmp_path / 'epoch_1.pth').write_bytes(b'torn')
    run = read_run(tmp_path)
    assert run.config is None and run.checkpoint is None
    assert run.info == {} and run.scalars == [] and run.snapshots == []
    assert run.status == '0 epochs'


@pytest.mark.parametrize(
    'text', ['a = (', 'a = dict()\nb = Fal', "_base_ = './gone.py'", '1 / 0']
)
def test_read_run__an_older_config_in_place_of_a_torn_one(tmp_path, text):
    write_start(tmp_path, '20260101_1', [])
    write_start(tmp_path, '20260102_1', [])
    (tmp_path / '20260102_1' / 'vis_data' / 'config.py').write_text(text)
    assert read_run(tmp_path).config.train_cfg.max_rounds == 3


def test_read_run__no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no work dir .*gone'):
        read_run(tmp_path / 'gone')
    with pytest.raises(ValueError, match='is no work dir of a run'):
        read_run(tmp_path)


def test_read_run__a_file(tmp_path):
    (tmp_path / 'epoch_1.pth').touch()
    with pytest.raises(ValueError, match='epoch_1.pth is a file, not a fold'):
        read_run(tmp_path / 'epoch_1.pth')


def test_read_run__a_folder_of_runs(tmp_path):
    for name in ('knn', 'isl'):
        write_start(tmp_path / name, '20260101_1', [])
    (tmp_path / 'pictures').mkdir()
    named = f'name a run in it: {tmp_path / "isl"}, {tmp_path / "knn"}$'
    with pytest.raises(ValueError, match=named):
        read_run(tmp_path)
    for index in range(4):
        write_start(tmp_path / f'run{index}', '20260101_1', [])
    with pytest.raises(ValueError, match='run2, and 1 more$'):
        read_run(tmp_path)
