"""The code of the README."""

import re
from pathlib import Path

import pytest

from skdeepcluster.exceptions import GridEdgeWarning

README = Path(__file__).parents[2] / "README.md"


def test_readme_code_runs_in_order(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) == 2
    quick_start, search = blocks
    assert len([line for line in quick_start.splitlines() if line.strip()]) == 8
    namespace = {}
    exec(quick_start, namespace)
    assert float(capsys.readouterr().out) > 0.85
    with pytest.warns(GridEdgeWarning, match="lam=0.0001, the smallest, .*n_components=64, the largest"):
        exec(search, namespace)
    assert "n_components" in capsys.readouterr().out
