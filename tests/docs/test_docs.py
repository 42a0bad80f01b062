"""The examples on the pages of the documentation."""

import doctest
import re
import runpy
from pathlib import Path

import dask
import pandas as pd
import pytest
from sklearn.metrics import normalized_mutual_info_score

from helpers.pages import run_blocks
from helpers.processes import start_method

DOCS = Path(__file__).parents[2] / "docs"
PAGES_WITH_EXAMPLES = sorted(path.name for path in DOCS.glob("*.md") if "```pycon" in path.read_text())

# The errors on a page that shows them are broken into lines, and leave out what is long or differs between machines.
OPTIONS = {"faq.md": doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS}


def examples(path):
    """What the blocks marked as pycon say; all other lines are blank, so that errors give the right numbers."""
    kept, inside = [], False
    for line in path.read_text().splitlines():
        inside = line == "```pycon" or (inside and line != "```")
        kept.append(line if inside and line != "```pycon" else "")
    return doctest.DocTestParser().get_doctest("\n".join(kept), {}, path.name, str(path), 0)


@pytest.mark.parametrize("name", PAGES_WITH_EXAMPLES)
def test_the_examples_of_a_page_run(name):
    if name == "onnx.md":
        pytest.importorskip("onnxruntime", reason="there is no onnxruntime for this version of Python")
    page = examples(DOCS / name)
    assert len(page.examples) > 5
    output = []
    failed, _ = doctest.DocTestRunner(optionflags=OPTIONS.get(name, 0)).run(page, out=output.append)
    assert not failed, "".join(output)


def test_pages_with_examples_are_found():
    assert {"clustering.md", "dask.md", "faq.md", "grid_search.md", "migration.md", "model_selection.md", "onnx.md"} < {
        *PAGES_WITH_EXAMPLES
    }


def test_the_quick_start_runs_from_its_first_block_to_its_last(tmp_path, monkeypatch, capsys):
    namespace = run_blocks(DOCS / "quickstart.md", monkeypatch, tmp_path)
    assert float(capsys.readouterr().out.split()[0]) > 0.85  # the accuracy on the digits
    assert (tmp_path / "clusters.png").stat().st_size > 10_000
    labelled = pd.read_csv(tmp_path / "customers_with_clusters.csv")
    assert normalized_mutual_info_score(namespace["kind"], labelled["cluster"]) > 0.8


@pytest.mark.parametrize(
    "original, translation", [("quickstart.md", "zh/quickstart.md"), ("../README.md", "zh/index.md")]
)
def test_a_translation_has_the_code_and_the_figures_of_the_original(original, translation):
    pages = [(DOCS / name).read_text() for name in (original, translation)]
    code, translated_code = (
        re.findall(r"^```(?:sh|python|text)\n.*?^```", page, re.DOTALL | re.MULTILINE) for page in pages
    )
    assert code == translated_code
    # Of tables the numbers: Chinese pages have a table of terms more.
    rows, translated_rows = (re.findall(r"^\|.*\|$", page, re.MULTILINE) for page in pages)
    figures = [re.findall(r"\d[\d.,]*", row) for row in rows]
    assert figures == [re.findall(r"\d[\d.,]*", row) for row in translated_rows[: len(rows)]]


def test_links_of_the_pages_outside_the_documentation_lead_somewhere():
    root = DOCS.parent
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (root / name).read_text()):
            assert target.startswith("http") or (root / target).exists(), f"{name}: {target}"


def test_the_example_of_a_cluster_finds_its_clusters(monkeypatch, capsys):
    script = str(DOCS / "examples" / "use" / "cluster_on_dask.py")
    monkeypatch.setenv("N_ROWS", "20000")
    with dask.config.set({"distributed.worker.multiprocessing-method": start_method()}):
        # The processes of its cluster import it, too.
        runpy.run_path(script, run_name="__main__")
    output = capsys.readouterr().out
    assert "Watch it at http" in output
    assert float(re.search(r"accuracy +([\d.]+)", output)[1]) > 0.99
