"""The package as a whole: its layers, and its version."""

import ast
from pathlib import Path

import pytest

import skdeepcluster

PACKAGE = Path(skdeepcluster.__file__).parent

# Lowest first. A module imports only from layers below its own.
LAYERS = [
    {"_arrays"},
    {"_solvers", "_support", "exceptions"},
    {"_network"},
    {"_objectives"},
    {"_data"},
    {"_base", "_training", "_dask"},
    {"_pipelines"},
    {"autoencoder", "callbacks", "metrics"},
    {"_joint", "dask"},
    {"clustering", "inspection", "model_selection"},
    {"onnx", "plotting"},
    {"__init__"},
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


def test_solvers_import_nothing_of_the_package_but_how_arrays_differ():
    paths = list((PACKAGE / "_solvers").glob("*.py"))
    assert len(paths) > 1
    assert set().union(*map(imported_modules, paths)) == {"_arrays"}


def test_the_import_test_sees_imports():
    assert imported_modules(PACKAGE / "autoencoder.py") >= {"_base", "_data", "_network", "_training"}
    assert imported_modules(PACKAGE / "_objectives" / "_gradients.py") == {"_arrays", "_support"}
    assert imported_modules(PACKAGE / "__init__.py") == {
        "autoencoder",
        "callbacks",
        "clustering",
        "exceptions",
        "inspection",
        "metrics",
        "model_selection",
        "plotting",
    }


def test_the_version_is_the_installed_one():
    from importlib.metadata import version

    assert version("skdeepcluster") == skdeepcluster.__version__
