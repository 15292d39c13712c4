"""The page of compared miners: a table for each number of neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scipy.stats import spearmanr

from .cells import (
    APART,
    Runs,
    as_cell,
    cell_of,
    markdown_table,
    mean_of,
    pairs_found,
)
from .reading import Results

_HEADER = (
    'miner',
    'seeds',
    'pairs',
    'purity',
    'plain neighbours',
    'found again',
    'most neighbours',
    'images reached',
    'apart in pixels',
    'plain neighbours',
    'CPU seconds',
)

# Of fewer a rank correlation tells nothing.
_MIN_RANKED = 4


def describe_miners(
    results: Results, pictures: Mapping[str, str]
) -> list[str]:
    """Sections of a comparison of miners, in Markdown.

    Args:
        results (Results): To describe.
        pictures (Mapping[str, str]): ``replication``, where there is one.

    Returns:
        list[str]: A table a quota, what it says, picture and settings.
    """
    tables = [
        f'{_heading(quota)}\n\n{_table(runs)}'
        for quota, runs in by_quota(results.runs).items()
    ]
    sections = [
        *tables,
        _legend(results),
        pictures.get('replication', ''),
        _settings(results),
    ]
    return [section for section in sections if section]


def by_quota(runs: Runs) -> dict[float | None, list[Mapping[str, Any]]]:
    """Runs by the neighbours per image they were to find, ascending.

    None, for runs that do not tell, is the last.
    """
    groups: dict[float | None, list[Mapping[str, Any]]] = {}
    for run in runs:
        groups.setdefault(run.get('quota'), []).append(run)
    known = sorted(quota for quota in groups if quota is not None)
    return {
        quota: groups[quota]
        for quota in (*known, *([None] if None in groups else []))
    }


def _heading(quota: float | None) -> str:
    if quota is None:
        return 'Neighbours per image not told:'
    return f'Neighbours per image: {quota:g}'


def _table(runs: Runs) -> str:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        groups.setdefault(run['name'], []).append(run)
    rows = []
    for name, own in groups.items():
        rows.append(
            [
                as_cell(name),
                str(len(own)),
                pairs_found(own),
                cell_of(own, 'purity', scale=100),
                cell_of(own, 'control_purity', scale=100),
                cell_of(own, 'replication', scale=100),
                mean_of(own, 'max_degree'),
                mean_of(own, 'coverage', scale=100),
                mean_of(own, 'pixel_distance', scale=100, digits=1),
                mean_of(own, 'control_pixel_distance', scale=100, digits=1),
                mean_of(own, 'seconds', digits=1),
            ]
        )
    return markdown_table(_HEADER, rows)


def _legend(results: Results) -> str:
    return (
        'Mean ± sample standard deviation over the seeds, in percent. '
        'Purity: share of mined pairs that join one class. Plain neighbours, '
        'behind the number that they are compared with: as many pairs of '
        'highest cosine. Found again: share of the searches with single '
        'views that find a pair again, which takes no labels'
        f'{_rank_correlation(results.runs)}. Apart in pixels: {APART}. Most '
        'neighbours: of one image. Images reached: share of those that have a '
        'neighbour. CPU seconds: of the mining, GAN included, which all '
        'numbers of neighbours share; on cores that may have been busy.'
        f'{_features(results.head)}\n'
    )


def _rank_correlation(runs: Runs) -> str:
    """How far replication puts the runs of each quota in order of purity."""
    known = [run for run in runs if 'replication' in run and 'purity' in run]
    texts = []
    for quota, own in by_quota(known).items():
        found = [run['replication'] for run in own]
        if quota is None or len(set(found)) < _MIN_RANKED:
            continue
        rho = spearmanr(found, [run['purity'] for run in own]).statistic
        texts.append(f'{rho:.2f} at {quota:g} ({len(own)} runs)')
    if not texts:
        return ''
    return f'; rank correlation with purity {", ".join(texts)}'


def _features(head: Mapping[str, Any]) -> str:
    facts = head['features']
    parts = [
        f'`{facts["config"]}`' if 'config' in facts else '',
        f'epoch {facts["epoch"]}' if 'epoch' in facts else '',
        f'{facts["images"]:,} images' if 'images' in facts else '',
        f'{facts["views"]} views' if 'views' in facts else '',
        f'kNN {facts["knn"]:.1f} %' if 'knn' in facts else '',
    ]
    text = ', '.join(part for part in parts if part)
    return f' All mine in the same features: {text}.' if text else ''


def _settings(results: Results) -> str:
    """What a name stands for, folded in."""
    lines = []
    for name, runs in results.by_name().items():
        overrides = runs[0].get('overrides', {})
        if overrides:
            pairs = ', '.join(f'`{k}={v}`' for k, v in overrides.items())
            lines.append(f'- {as_cell(name)}: {pairs}')
    if not lines:
        return ''
    text = '\n'.join(lines)
    return (
        '<details><summary>Settings of each miner</summary>\n\n'
        f'{text}\n\n</details>\n'
    )
