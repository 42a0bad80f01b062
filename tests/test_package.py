"""The package as a whole: its layers, its documentation, its README."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import skdeepcluster

ROOT = Path(__file__).parent.parent
PACKAGE = Path(skdeepcluster.__file__).parent

# Lowest first. A module imports only from layers below its own.
LAYERS = [
    {
        "_activations",
        "_parameters",
        "_solvers",
        "_threads",
        "_rows",
        "_callback_support",
        "_record",
        "_initial_clusters",
        "_inputs",
        "exceptions",
    },
    {"_network", "_validation"},
    {"_objectives", "_pretraining"},
    {"_evaluation"},
    {"_base", "_data", "_joint_training"},
    {"_training", "_pipelines"},
    {"_run", "_dask"},
    {"_checkpoint", "_fitting"},
    {"autoencoder", "callbacks", "metrics"},
    {"_joint_encoder", "dask"},
    {"clustering", "model_selection"},
    {"plotting"},
    {"__init__"},
]
PUBLIC_MODULES = [
    "skdeepcluster",
    "skdeepcluster.callbacks",
    "skdeepcluster.clustering",
    "skdeepcluster.dask",
    "skdeepcluster.exceptions",
    "skdeepcluster.metrics",
    "skdeepcluster.model_selection",
    "skdeepcluster.plotting",
]


def module_of(path):
    """The top module or subpackage that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path):
    """Top modules of the package that a file imports, its own subpackage left out."""
    depth = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("skdeepcluster.")}
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module.startswith("skdeepcluster"):
            found |= {node.module.split(".")[1]}
    return found - {module_of(path)}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    levels = {name: level for level, layer in enumerate(LAYERS) for name in layer}
    level = levels[module_of(path)]
    assert all(levels[name] < level for name in imported_modules(path))


def test_solvers_import_nothing_of_the_package():
    paths = list((PACKAGE / "_solvers").glob("*.py"))
    assert len(paths) > 1
    assert set().union(*map(imported_modules, paths)) == set()


def test_the_import_test_sees_imports():
    assert imported_modules(PACKAGE / "autoencoder.py") >= {"_base", "_data", "_run", "_training"}
    assert imported_modules(PACKAGE / "_objectives" / "_sparse_autoencoder.py") == {"_network", "_parameters"}
    assert imported_modules(PACKAGE / "__init__.py") == {
        "autoencoder",
        "callbacks",
        "clustering",
        "exceptions",
        "metrics",
        "model_selection",
        "plotting",
    }


def public_names():
    return [(module, name) for module in PUBLIC_MODULES for name in import_module(module).__all__]


@pytest.mark.parametrize("module, name", public_names())
def test_every_public_name_is_in_the_api_docs(module, name):
    assert f"`{module}.{name}`" in (ROOT / "docs" / "api.md").read_text()


def test_the_documentation_has_pages_of_every_public_module():
    conf = ast.parse((ROOT / "docs" / "conf.py").read_text())
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


def test_the_version_is_the_installed_one():
    from importlib.metadata import version

    assert version("skdeepcluster") == skdeepcluster.__version__


def test_readme_code_runs_in_order(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 2
    quick_start, search = blocks
    assert len([line for line in quick_start.splitlines() if line.strip()]) == 10
    namespace = {}
    exec(quick_start, namespace)
    assert re.search(r"^nmi +0\.[7-9]", capsys.readouterr().out, flags=re.MULTILINE)
    exec(search, namespace)
    assert "n_components" in capsys.readouterr().out
