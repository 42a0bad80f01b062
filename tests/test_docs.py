"""The examples on the pages of the documentation."""

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def examples(path):
    """What the blocks marked as pycon say; all other lines are blank, so that errors give the right numbers."""
    kept, inside = [], False
    for line in path.read_text().splitlines():
        inside = line == "```pycon" or (inside and line != "```")
        kept.append(line if inside and line != "```pycon" else "")
    return doctest.DocTestParser().get_doctest("\n".join(kept), {}, path.name, str(path), 0)


@pytest.mark.parametrize("name", ["clustering.md", "dask.md", "grid_search.md", "model_selection.md"])
def test_the_examples_of_a_page_run(name):
    page = examples(DOCS / name)
    assert len(page.examples) > 5
    output = []
    failed, _ = doctest.DocTestRunner().run(page, out=output.append)
    assert not failed, "".join(output)
