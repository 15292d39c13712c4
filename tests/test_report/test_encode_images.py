"""How the images of a report are read."""

import os

import torch
from tiny_run import make_config

from mmisl.report import features


def test_encode_images__no_more_workers_than_cores(tmp_path, monkeypatch):
    """Also where the cores are only counted, as outside of Linux."""
    cfg = make_config(tmp_path, tmp_path)
    cfg.gallery_dataloader.num_workers = 8
    given = []

    class Images:
        num_instances = 5

    def build_loader(config):
        given.append(config)
        return None, Images

    monkeypatch.setattr(features, 'build_loader', build_loader)
    monkeypatch.setattr(features, 'init_model', lambda *args: None)
    monkeypatch.setattr(
        features.engine,
        'extract_features',
        lambda model, loader, num_samples, description: torch.ones(
            num_samples, 2
        ),
    )
    monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
    monkeypatch.setattr(os, 'cpu_count', lambda: 3)
    assert features.encode_images(cfg, tmp_path, [tmp_path]).shape == (5, 2)
    assert [config['num_workers'] for config in given] == [3]
