import json

from tiny_run import make_config, train, write_data

OVERRIDES = {
    'train_cfg.max_rounds': 1,
    'train_cfg.encoder': dict(max_epochs=2, val_interval=1),
    'default_hooks.logger.interval': 2,
}


def test_times_of_validation_are_not_those_of_training(tmp_path):
    cfg = make_config(
        write_data(tmp_path / 'data'), tmp_path / 'run', OVERRIDES
    )
    cfg.log_processor = dict(type='mmisl.StageLogProcessor', window_size=2)
    train(cfg)
    (path,) = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    records = [json.loads(line) for line in path.read_text().splitlines()]
    trained = [r for r in records if 'loss' in r]
    validated = [r for r in records if any('knn/' in key for key in r)]
    assert len(trained) == 6 and len(validated) == 2
    for record in trained:
        assert {'time', 'data_time', 'iter'} < set(record)
    for record in validated:
        assert {'val/time', 'val/data_time'} < set(record)
        assert not {'time', 'data_time'} & set(record)
    (log,) = (tmp_path / 'run').glob('*/*.log')
    text = log.read_text().splitlines()
    lines = [x for x in text if 'Epoch(val)' in x and 'knn/' in x]
    assert len(lines) == 2 and all('time: ' in line for line in lines)
