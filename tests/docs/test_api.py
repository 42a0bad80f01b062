"""Every public name: its place in the pages of the documentation, and its example."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PUBLIC_MODULES = [
    "skdeepcluster",
    "skdeepcluster.callbacks",
    "skdeepcluster.clustering",
    "skdeepcluster.dask",
    "skdeepcluster.exceptions",
    "skdeepcluster.inspection",
    "skdeepcluster.metrics",
    "skdeepcluster.model_selection",
    "skdeepcluster.onnx",
    "skdeepcluster.plotting",
]


def public_names():
    return [(module, name) for module in PUBLIC_MODULES for name in import_module(module).__all__]


@pytest.mark.parametrize("module, name", public_names())
def test_every_public_name_is_in_the_api_docs(module, name):
    assert f"`{module}.{name}`" in (DOCS / "api.md").read_text()


def test_the_documentation_has_pages_of_every_public_module():
    conf = ast.parse((DOCS / "conf.py").read_text())
    assigned = {node.targets[0].id: node.value for node in conf.body if isinstance(node, ast.Assign)}
    assert ast.literal_eval(assigned["MODULES"]) == PUBLIC_MODULES


@pytest.mark.parametrize("module, name", public_names())
def test_every_public_name_has_an_example(module, name):
    # The examples themselves are run as doctests. That of a ready-made scorer, an instance, is its module's.
    public = getattr(import_module(module), name)
    if inspect.isclass(public) or inspect.isfunction(public):
        assert ">>> " in public.__doc__
    elif not inspect.ismodule(public):
        assert re.search(rf"(>>>|\.\.\.) .*\b{name}\b", import_module(module).__doc__)
