"""What the page of a report is made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from mmisl import __version__
from mmisl.datasets import load_original
from mmisl.runs import short_names

from .collected_run import CollectedRun
from .curves import make_curves, round_ends, stage_times
from .detection_tables import read_detection_table
from .embedding import make_map
from .facts import command_note, repeat_command, run_facts
from .gallery import fit_rounds, packed_bytes
from .page_blobs import Blob
from .round_warnings import round_warnings
from .selection import Selection, select_images
from .sprites import Sprites, make_sprites

# Of the page without runs: texts, scripts and libraries.
_FRAME_BYTES = 500_000
# Share of the page for neighbours, at most: thumbnails take what is left.
_NEIGHBOR_SHARE = 0.45
_BASE64 = 4 / 3
# Tiles should use up what is left, but not to the last byte.
_SLACK = 0.98


@dataclass(frozen=True)
class Settings:
    """What a reader wants to see.

    Attributes:
        map_method: ``'tsne'``, ``'umap'``, ``'pca'`` or ``'none'``.
        num_views: Augmented views of each of ``num_view_images`` images.
        num_view_images: Images that are shown augmented.
        max_images: Images of a data set that are shown.
        max_bytes: Size of the page. A page of 50,000 images is as large as
            this; it is exceeded only where the smallest thumbnails do not
            fit.
        seed: Of the map and of the draw of images.
    """

    map_method: str = 'tsne'
    num_views: int = 6
    num_view_images: int = 6
    max_images: int = 50_000
    max_bytes: int = 20_000_000
    seed: int = 0


def build_payload(
    runs: Sequence[CollectedRun],
    settings: Settings,
    *,
    title: str,
    detection: Sequence[Path] = (),
) -> tuple[dict[str, Any], dict[str, Blob]]:
    """Gather what the page shows.

    Runs over the same images share one data set of the page.

    Args:
        runs (Sequence[CollectedRun]): At least one, in their order.
        settings (Settings): What to show.
        title (str): Of the page.
        detection (Sequence[Path]): Folders of tables of detection.

    Returns:
        tuple[dict, dict[str, Blob]]: For :func:`write_page`.

    Raises:
        FileNotFoundError, ValueError: If a table of detection is missing, or
            a run is given twice.
    """
    tables = [read_detection_table(folder) for folder in detection]
    shown_names = short_names([run.record.work_dir for run in runs])
    groups: dict[str, list[CollectedRun]] = {}
    for run in runs:
        groups.setdefault(run.data_key, []).append(run)
    names = {key: f'data{index}' for index, key in enumerate(groups)}
    selections = {
        key: _select(group, settings) for key, group in groups.items()
    }
    # Of the images that are shown: others take no room.
    _fit_neighbors(runs, settings)
    blobs: dict[str, Blob] = {}
    payload: dict[str, Any] = dict(
        title=title,
        generated=datetime.now().astimezone().isoformat(timespec='seconds'),
        mmisl=__version__,
        runs=[
            _run_entry(
                run,
                f'run{index}',
                shown_name=shown_names[index],
                dataset=names[run.data_key],
                selection=selections[run.data_key],
                settings=settings,
                blobs=blobs,
            )
            for index, run in enumerate(runs)
        ],
        datasets={
            names[key]: _dataset_entry(
                group[0], names[key], selection=selections[key], blobs=blobs
            )
            for key, group in groups.items()
        },
        detection=tables,
    )
    _add_sprites(payload, groups, selections, settings, blobs)
    # Tiles are drawn last, and may have brought warnings.
    for entry, run in zip(payload['runs'], runs):
        entry['warnings'] = run.warnings
    return payload, blobs


def _fit_neighbors(runs: Sequence[CollectedRun], settings: Settings) -> None:
    """Leave out the least similar neighbours where they do not fit."""
    budget = int(settings.max_bytes * _NEIGHBOR_SHARE / _BASE64)
    cure = 'lower --max-images'
    if len(runs) > 1:
        cure += ', or report fewer runs at once'
    before = [round_ for run in runs for round_ in run.rounds]
    fitted = fit_rounds(before, budget)
    rest = iter(fitted)
    for run in runs:
        had = [round_.neighbors.shape[1] for round_ in run.rounds]
        run.rounds = [next(rest) for _ in run.rounds]
        if run.rounds and run.rounds[0].neighbors.shape[1] < had[0]:
            run.warn(
                f'the {run.rounds[0].neighbors.shape[1]} most similar '
                f'neighbours of an image are shown instead of {had[0]}: more '
                f'would not fit into the page; {cure}'
            )


def _select(
    group: Sequence[CollectedRun], settings: Settings
) -> Selection | None:
    """Which of the images that some runs share are shown."""
    num_images = group[0].num_images
    neighbors = [
        rows
        for run in group
        for round_ in run.rounds
        for rows in (round_.neighbors, round_.control)
        if rows is not None
    ]
    selection = select_images(
        num_images,
        neighbors,
        limit=settings.max_images,
        seed=settings.seed,
    )
    if selection is None:
        return None
    for run in group:
        run.warn(
            f'{len(selection.rows):,} of {num_images:,} images are shown: '
            f'{selection.is_anchor.sum():,} that were drawn, and their '
            'neighbours; --max-images shows more, in a larger page'
        )
        run.rounds = [selection.of(round_) for round_ in run.rounds]
    return selection


def _run_entry(
    run: CollectedRun,
    name: str,
    *,
    shown_name: str,
    dataset: str,
    selection: Selection | None,
    settings: Settings,
    blobs: dict[str, Blob],
) -> dict[str, Any]:
    def put(part: str, array: np.ndarray | None) -> str | None:
        if array is None:
            return None
        blobs[f'{name}/{part}'] = Blob.from_array(array)
        return f'{name}/{part}'

    record = run.record
    warnings = round_warnings(record.scalars)
    rounds = [
        dict(
            round=r.round,
            epoch=r.epoch,
            label=r.label,
            numbers=[list(number) for number in r.numbers],
            warnings=warnings.get(r.round, []),
            neighbors=put(f'neighbors{r.round}', r.neighbors),
            cosine=put(f'cosine{r.round}', r.cosine),
            control=put(f'control{r.round}', r.control),
            control_cosine=put(f'control_cosine{r.round}', r.control_cosine),
        )
        for r in run.rounds
    ]
    # Of `run.config` settings and paths were changed, to find the images.
    config = run.config if record.config is None else record.config
    return dict(
        id=name,
        name=shown_name,
        status=record.status,
        facts=[list(fact) for fact in run_facts(record, run.images)],
        config_text=_text_of(run, config),
        command=repeat_command(record),
        command_note=command_note(record),
        stages=[list(stage) for stage in stage_times(record.scalars)],
        curves=make_curves(record.scalars),
        round_ends=round_ends(record.scalars),
        dataset=dataset,
        rounds=rounds,
        map=_map_entry(run, selection, settings, put),
        clusters=put('clusters', run.clusters(selection)),
        views=run.views(
            settings.num_view_images, settings.num_views, selection
        ),
    )


def _text_of(run: CollectedRun, config: Config | None) -> str:
    """The config, one line a setting; empty where there is none."""
    if config is None:
        return ''
    return run.attempt('no config', lambda: config.pretty_text) or ''


def _map_entry(
    run: CollectedRun, selection: Selection | None, settings: Settings, put
) -> dict[str, str] | None:
    if settings.map_method == 'none':
        return None
    features = run.features(selection)
    if features is None:
        return None
    placed = run.attempt(
        'no map',
        lambda: make_map(features, settings.map_method, seed=settings.seed),
    )
    if placed is None:
        return None
    return dict(
        blob=put('map', placed.points), method=placed.method, note=placed.note
    )


def _dataset_entry(
    run: CollectedRun,
    name: str,
    *,
    selection: Selection | None,
    blobs: dict[str, Blob],
) -> dict[str, Any]:
    images = run.images
    rows = np.arange(run.num_images) if selection is None else selection.rows
    entry: dict[str, Any] = dict(
        num_images=len(rows),
        labels=None,
        class_names=[] if images is None else images.class_names,
        names=None,
        sprites=None,
    )
    if images is not None and images.labels is not None:
        entry['labels'] = f'{name}/labels'
        blobs[f'{name}/labels'] = Blob.from_array(images.labels[rows])
    if images is not None and images.names is not None:
        entry['names'] = f'{name}/names'
        names = [images.names[row] for row in rows]
        blobs[f'{name}/names'] = Blob.from_lines(names)
    return entry


def _add_sprites(
    payload: dict[str, Any],
    groups: dict[str, list[CollectedRun]],
    selections: dict[str, Selection | None],
    settings: Settings,
    blobs: dict[str, Blob],
) -> None:
    """Draw thumbnails as large as what is left of the page allows."""
    text = json.dumps(payload, ensure_ascii=False).encode(errors='replace')
    packed = sum(
        packed_bytes(np.frombuffer(blob.data, np.uint8))
        for blob in blobs.values()
    )
    used = _FRAME_BYTES + len(text) + _BASE64 * packed
    left = max(0, _SLACK * settings.max_bytes - used) / _BASE64
    entries = list(payload['datasets'].items())
    total = sum(entry['num_images'] for _, entry in entries) or 1
    for (name, entry), (key, group) in zip(entries, groups.items()):
        if group[0].images is None:
            continue
        share = int(left * entry['num_images'] / total)
        sprites = _draw_tiles(group, selections[key], share)
        if sprites is not None:
            entry['sprites'] = _sprites_entry(sprites, name, blobs)


def _draw_tiles(
    group: Sequence[CollectedRun],
    selection: Selection | None,
    max_bytes: int,
) -> Sprites | None:
    images = group[0].images
    assert images is not None
    dataset = images.dataset
    rows = np.arange(len(images)) if selection is None else selection.rows
    sprites = make_sprites(
        lambda i: load_original(dataset.get_info(int(rows[i]))),
        len(rows),
        max_bytes=max_bytes,
    )
    if sprites.broken:
        first = min(sprites.broken)
        where = images.names[rows[first]] if images.names else rows[first]
        for run in group:
            run.warn(
                f'{len(sprites.broken):,} of {len(rows):,} images cannot be '
                f'read and are grey, the first: {where} '
                f'({sprites.broken[first]}); put them where the config has '
                'them, or name their folder with --cfg-options'
            )
    return None if len(sprites.broken) == len(rows) else sprites


def _sprites_entry(
    sprites: Sprites, name: str, blobs: dict[str, Blob]
) -> dict[str, Any]:
    names = []
    for index, sheet in enumerate(sprites.sheets):
        names.append(f'{name}/sheet{index}')
        blobs[names[-1]] = Blob(sheet, 'uint8', (len(sheet),), 'image/webp')
    return dict(
        sheets=names,
        tile=sprites.tile,
        columns=sprites.columns,
        rows=sprites.rows,
    )
