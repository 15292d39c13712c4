"""The numbers that the table of the paper's supplement has."""

from __future__ import annotations

COLUMNS = ('AlexNet-Fast', 'AlexNet-Faster', 'R50-Faster')
# Table 1: VOC2007, trainval to test, mAP in percent; None where it has none.
SUPPLEMENT: dict[str, tuple[float | None, ...]] = {
    'Supervised': (56.8, 54.3, 74.6),
    'DeepCluster': (55.4, None, None),
    'Instance': (48.1, 53.1, 65.4),
    'LA': (None, 53.5, 69.1),
    'ISL': (56.6, 54.2, 70.0),
    'MoCo-v1': (None, None, 74.9),
    'MoCo-v2': (None, None, 76.3),
    'MoCo-v2+ISL': (None, None, 77.6),
}
METRIC_NOTE = (
    'Which AP the supplement used is not stated there, nor are schedule, '
    'seeds or spread. Its 74.9 of MoCo-v1 is the AP50 that the authors of '
    'MoCo give for R50-C4, 9,000 iterations on trainval2007, mean of 5 '
    'trials; they evaluate with detectron2, whose '
    '`detectron2/evaluation/pascal_voc_evaluation.py` takes 11 points for '
    'data sets of 2007 (`use_07_metric=self._is_2007`). So the column of 11 '
    'points is the one to compare with, and rows quoted from other papers '
    'may have been trained by another protocol.'
)


def published(name: str) -> float | None:
    """The number of a cell of the supplement.

    Args:
        name (str): ``ROW/COLUMN``, such as ``'ISL/R50-Faster'``.

    Returns:
        float | None: In percent; None where the supplement has a dash.

    Raises:
        ValueError: If it has no such row or column.
    """
    row, _, column = name.partition('/')
    if row not in SUPPLEMENT or column not in COLUMNS:
        raise ValueError(
            f'published: got {name!r}, allowed is ROW/COLUMN with a row of '
            f'{", ".join(SUPPLEMENT)} and a column of {", ".join(COLUMNS)}'
        )
    return SUPPLEMENT[row][COLUMNS.index(column)]
