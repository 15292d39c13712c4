"""What WandbBackend hands to wandb, which stands in here."""

import pytest
from mmengine.config import Config

from mmisl.visualization import WandbBackend
from mmisl.visualization.wandb_backend import ID_NAME


class Backend(WandbBackend):
    """Keeps what it would log."""

    experiment = None

    def __init__(self, **settings):
        super().__init__('unused', **settings)
        self.experiment = self
        self.config = dict()
        self.rows, self.axes = [], {}

    def log(self, row, commit):
        self.rows.append(row)

    def define_metric(self, name, step_metric):
        assert name not in self.axes
        self.axes[name] = step_metric


def begin(work_dir, *, init_kwargs=None, **options):
    backend = Backend(init_kwargs=init_kwargs)
    # dict.update takes the second argument of wandb's as a value.
    backend.add_config(Config(dict(work_dir=str(work_dir), **options)))
    return backend


@pytest.mark.parametrize('by_epoch, axis', [(True, 'epoch'), (False, 'iter')])
def test_log__by_epoch_or_iteration(tmp_path, by_epoch, axis):
    hooks = dict(logger=dict(log_metric_by_epoch=by_epoch))
    backend = begin(tmp_path, default_hooks=hooks)
    backend.add_scalars(dict(loss=2.0, epoch=1, iter=50), step=50)
    backend.add_scalars(dict(score=7.0), step=3)
    backend.add_scalar('score', 8.0, step=4)
    assert backend.rows == [
        dict(loss=2.0, epoch=1, iter=50),
        {'score': 7.0, axis: 3},
        {'score': 8.0, axis: 4},
    ]
    assert backend.axes == dict(loss='iter', score=axis)


def test_id__is_kept_by_a_resume_and_else_new(tmp_path):
    first = begin(tmp_path)._init_kwargs
    assert first['id'] == (tmp_path / ID_NAME).read_text().strip()
    assert first['resume'] == 'allow' and first['name'] == tmp_path.name
    assert begin(tmp_path, resume=True)._init_kwargs['id'] == first['id']
    assert begin(tmp_path)._init_kwargs['id'] != first['id']


def test_id__of_the_user_stands(tmp_path, monkeypatch):
    settings = begin(tmp_path, init_kwargs=dict(id='mine'))._init_kwargs
    assert settings['id'] == 'mine' and 'resume' not in settings
    monkeypatch.setenv('WANDB_RUN_ID', 'theirs')
    assert 'id' not in begin(tmp_path)._init_kwargs
    assert not (tmp_path / ID_NAME).exists()
