"""The page of a detector that was finetuned from several starts."""

from __future__ import annotations

from .cells import Runs, as_cell, cell_of, facts_sentence, markdown_table
from .reading import Results

AP50 = {'voc07': 'AP50, 11 points', 'area': 'AP50, area'}
# As the tool calls a start without a checkpoint.
_RANDOM = 'none'


def describe_detectors(results: Results) -> list[str]:
    """Sections of a table of detection, in Markdown.

    Args:
        results (Results): To describe.

    Returns:
        list[str]: Scores, and what the starts are.
    """
    return [_scores(results), _starts(results)]


def _scores(results: Results) -> str:
    groups = results.by_name()
    # The supplement's table has a place for few detectors.
    published = any('supplement' in runs[0] for runs in groups.values())
    rows = [_row(name, runs, published) for name, runs in groups.items()]
    header = ['start', 'seeds', *AP50.values()]
    header += ['supplement'] if published else []
    facts = facts_sentence(
        results.head['detector'],
        images='{:,} training images',
        test_images='tested on {:,} others',
        iterations='{:,} iterations',
        epochs='{:,} epochs',
        batch_size='batches of {:,}',
    )
    return (
        f'{markdown_table([*header, "minutes"], rows)}\nMean ± sample '
        'standard deviation over the seeds of the detector, in percent, of '
        f'the last checkpoint.{facts} Both columns are of the same '
        "detections: AP at IoU 0.5 as VOC2007's mean of 11 points, and as "
        'the area under the curve. Minutes of training and validation, of a '
        'machine that may have been shared.\n'
    )


def _row(name: str, runs: Runs, published: bool) -> list[str]:
    timed = [
        {'minutes': run['seconds'] / 60} if 'seconds' in run else {}
        for run in runs
    ]
    return [
        as_cell(name),
        str(len(runs)),
        *(cell_of(runs, key) for key in AP50),
        *([cell_of(runs[:1], 'supplement')] if published else []),
        cell_of(timed, 'minutes'),
    ]


def _starts(results: Results) -> str:
    groups = results.by_name()
    configs = {runs[0].get('config', '') for runs in groups.values()}
    # Mostly it is one detector, which need not be named line by line.
    shared = f' of `{configs.pop()}`' if len(configs) == 1 else ''
    lines = []
    for name, runs in groups.items():
        checkpoint = runs[0].get('checkpoint', _RANDOM)
        start = (
            'random weights' if checkpoint == _RANDOM else f'`{checkpoint}`'
        )
        own = '' if shared else f'`{runs[0].get("config", "-")}` from '
        lines.append(f'- {as_cell(name)}: {own}{start}')
    return '\n'.join([f'The starts{shared}:\n', *lines, ''])
