"""The page of compared methods: what they gave, what it took, what was mined.

In this order, because that is what a reader asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cells import (
    APART,
    Runs,
    as_cell,
    cell,
    cell_of,
    facts_sentence,
    markdown_table,
    mean_of,
    pairs_found,
    values_of,
)
from .pairing import paired_difference, without_mining
from .reading import Results
from .rounds import by_round, shown_rounds

SCORES = {
    'knn': 'kNN, neck',
    'knn_backbone': 'kNN, backbone',
    'linear': 'linear',
}
_STAGES = ('encoder', 'extraction', 'mining', 'validation')


def describe_methods(
    results: Results, pictures: Mapping[str, str], about: Mapping[str, str]
) -> list[str]:
    """Sections of a comparison of methods, in Markdown.

    Args:
        results (Results): To describe.
        pictures (Mapping[str, str]): ``knn`` and ``purity``, where there are
            such.
        about (Mapping[str, str]): What each config is, by its name.

    Returns:
        list[str]: Scores, rows, differences, cost and rounds; what was not
        measured has no section.
    """
    sections = [
        scores_section(results),
        rows_list(results, about),
        differences_section(results),
        pictures.get('knn', ''),
        cost_section(results),
        rounds_section(results),
        pictures.get('purity', ''),
    ]
    return [section for section in sections if section]


def scores_section(results: Results) -> str:
    """The table that is trusted."""
    rows = []
    for name, runs in results.by_name().items():
        converged = all(run.get('converged', True) for run in runs)
        scores = {key: cell_of(runs, key) for key in SCORES}
        scores['linear'] += '' if converged else '*'
        rows.append(
            [
                method(name),
                str(len(runs)),
                *scores.values(),
                last_purity(runs),
            ]
        )
    table = markdown_table(
        ['method', 'seeds', *SCORES.values(), 'purity, last round'], rows
    )
    starred = any('*' in row[4] for row in rows)
    return (
        f'{table}\nMean ± sample standard deviation over the seeds, in '
        f'percent.{budget(results.head["budget"])} Linear: logistic '
        'regression on features of the backbone, its penalty chosen on a '
        'fifth of the training images, or of fewer than 10,000 on five in turn'
        f'{"; *: stopped before it had converged" if starred else ""}. '
        'Purity: share of mined pairs that join one class; of clusters, the '
        'share of images of the most frequent class in theirs. Raw pixels: '
        'of images shrunk to 32x32, where they are larger.\n'
    )


def rows_list(results: Results, about: Mapping[str, str]) -> str:
    """What the rows are, of those that are configs."""
    lines = [
        f'- {method(name)}: {about[name]}'
        for name in results.by_name()
        if name in about
    ]
    return '\n'.join(['The rows:\n', *lines, '']) if lines else ''


def last_purity(runs: Runs) -> str:
    """Purity after the last mining, in percent."""
    last = []
    for run in runs:
        rounds = sorted(run.get('rounds', []), key=lambda r: r['round'])
        # A run's own number, else that of the last round that has one.
        known = values_of([*rounds, run], 'purity', scale=100)
        last.append({'purity': known[-1]} if known else {})
    return cell_of(last, 'purity')


def budget(facts: Mapping[str, Any]) -> str:
    """What all methods had in common, as a sentence behind a space."""
    return facts_sentence(
        {**facts, **facts.get('knn', {})},
        images='{:,} training images',
        test_images='scored on {:,} others',
        epochs='{:,} epochs',
        batch_size='batches of {:,}',
        k='kNN with k = {}',
        temperature='temperature {}',
    )


def differences_section(results: Results) -> str:
    """What mining adds, at the same seeds."""
    groups = results.by_name()
    rows = []
    for name, runs in groups.items():
        other = without_mining(name, groups)
        if other is None:
            continue
        found = [paired_difference(runs, groups[other], key) for key in SCORES]
        num_seeds = max(len(difference.seeds) for difference in found)
        if num_seeds == 0:
            continue
        cells = [
            cell(difference.values, signed=True)
            + (
                f' ({len(difference.seeds)} of {num_seeds})'
                if 0 < len(difference.seeds) < num_seeds
                else ''
            )
            for difference in found
        ]
        rows.append([method(name), method(other), str(num_seeds), *cells])
    if not rows:
        return ''
    table = markdown_table(
        ['with mining', 'without', 'seeds', *SCORES.values()], rows
    )
    return (
        f'What mining adds, in points:\n\n{table}\nMean ± sample standard '
        'deviation of the differences between runs of the same seed.\n'
    )


def cost_section(results: Results) -> str:
    """What training took."""
    rows = []
    for name, runs in results.by_name().items():
        own = [_cost_of(run) for run in runs]
        cells = [
            cell_of(own, 'minutes'),
            cell_of(own, 'own_minutes'),
            cell_of(own, 'images_per_second', digits=0),
            mean_of(own, 'peak_memory_gib', digits=2),
            *(mean_of(own, stage, scale=100) for stage in _STAGES),
        ]
        if any(text != '-' for text in cells):
            rows.append([method(name), *cells])
    if not rows:
        return ''
    header = [
        'method',
        'minutes',
        'without the shared round',
        'images/s',
        'peak GiB',
        *(f'{stage} %' for stage in _STAGES),
    ]
    return (
        f'What it took:\n\n{markdown_table(header, rows)}\nMinutes of '
        'training, with and without a first round that is trained once for '
        'several methods; of a machine that may have been shared. Images/s: '
        'median of what was logged. Peak: memory of the training process. '
        'The last columns share out the time of the four stages.\n'
    )


def _cost_of(run: Mapping[str, Any]) -> dict[str, float]:
    known = {
        key: run[key]
        for key in ('images_per_second', 'peak_memory_gib')
        if key in run
    }
    if 'seconds' in run:
        known['minutes'] = run['seconds'] / 60
        shared = run.get('shared_seconds', 0)
        known['own_minutes'] = (run['seconds'] - shared) / 60
    stages = {s: run.get('stages', {}).get(s, 0) for s in _STAGES}
    total = sum(stages.values())
    if total > 0:
        known.update({s: stages[s] / total for s in _STAGES})
    return known


def rounds_section(results: Results) -> str:
    """What each round mined, beside plain neighbours."""
    rows = []
    for name, runs in results.by_name().items():
        rounds = by_round(runs)
        for number in shown_rounds([*rounds]):
            mined = rounds[number]
            cells = [
                pairs_found(mined),
                cell_of(mined, 'purity', scale=100),
                cell_of(mined, 'control_purity', scale=100),
                cell_of(mined, 'replication', scale=100),
                mean_of(mined, 'pixel_distance', scale=100, digits=1),
                mean_of(mined, 'control_pixel_distance', scale=100, digits=1),
            ]
            # Of clusters no pairs are known.
            if any(text != '-' for text in cells):
                epoch = mean_of(mined, 'epoch')
                rows.append([method(name), str(number), epoch, *cells])
    if not rows:
        return ''
    header = [
        'method',
        'round',
        'epoch',
        'pairs',
        'purity',
        'plain neighbours',
        'found again',
        'apart in pixels',
        'plain neighbours',
    ]
    return (
        f'What was mined, round by round:\n\n{markdown_table(header, rows)}\n'
        'Pairs: all that were held, of those asked for; the other numbers '
        'are in percent. Plain neighbours, behind the number that they are '
        'compared with: as many pairs of highest cosine, in the same '
        'features. Found again: share of the searches with single views '
        'that find a pair again, which takes no labels. Apart in '
        f'pixels: {APART}. Of many rounds a few are shown.\n'
    )


def method(name: str) -> str:
    """Name of a method: a config's as code, others as they are."""
    text = as_cell(name)
    return text if ' ' in text else f'`{text}`'
