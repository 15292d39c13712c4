from pathlib import Path

import pytest

from mmisl.report.detection_tables import read_detection_table

TABLE = """\
| cell | pretrained | AP50 |
| --- | --- | --- |
| isl | work_dirs/a b.pth | 48.1 ± 0.3 |
| random | none | 31.0 |

VOC2007 mAP at IoU 0.5.

```
python tools/run_detection_table.py --seeds 1
```

2026-01-02. torch 2.9.
"""


def test_read_detection_table(tmp_path):
    folder = tmp_path / 'six starts'
    folder.mkdir()
    (folder / 'table.md').write_text(TABLE)
    for given in (folder, folder / 'table.md'):
        found = read_detection_table(given)
        assert found['title'] == 'Detection: six starts'
        assert found['columns'] == ['cell', 'pretrained', 'AP50']
        assert found['rows'] == [
            ['isl', 'work_dirs/a b.pth', '48.1 ± 0.3'],
            ['random', 'none', '31.0'],
        ]
        assert found['source'].splitlines() == [
            'VOC2007 mAP at IoU 0.5.',
            'python tools/run_detection_table.py --seeds 1',
            '2026-01-02. torch 2.9.',
            f'({folder / "table.md"})',
        ]


def test_read_detection_table__as_the_tool_writes_it(tmp_path, monkeypatch):
    """The table of two cells of which none has been run."""
    tools = Path(__file__).parents[2] / 'tools'
    monkeypatch.syspath_prepend(str(tools))
    from detection_table.table import HEADER, as_markdown

    rows = [['a', 'none', 'not run', '-', '-', '-', '-']]
    text = as_markdown(rows, [], command='python x.py --cell a=c.py:none')
    (tmp_path / 'table.md').write_text(text)
    found = read_detection_table(tmp_path)
    assert found['columns'] == list(HEADER)
    assert found['rows'] == rows
    assert 'python x.py --cell a=c.py:none' in found['source']


def test_read_detection_table__missing(tmp_path):
    expected = 'there is no .*table.md; name the folder that'
    with pytest.raises(FileNotFoundError, match=expected):
        read_detection_table(tmp_path)


@pytest.mark.parametrize(
    'text', ['', 'no table\n', '| a | b |\n', '| a | b |\n| --- |\n']
)
def test_read_detection_table__no_table(tmp_path, text):
    (tmp_path / 'table.md').write_text(text)
    with pytest.raises(ValueError, match='holds no table of tools/run_det'):
        read_detection_table(tmp_path)
