"""How Sphinx builds these pages: .venv/bin/python -m sphinx -W --keep-going -b html docs docs/_build/html"""

import inspect
import itertools
import re
import zlib
from importlib import import_module
from pathlib import Path

from docutils import nodes
from sklearn.utils.discovery import all_displays, all_estimators
from sphinx import addnodes

import skdeepcluster

DOCS = Path(__file__).parent

project = "skdeepcluster"
author = "The skdeepcluster developers"
copyright = author
version = release = skdeepcluster.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",
]
exclude_patterns = ["_build", "_templates", "generated/public_names.rst", "examples"]
templates_path = ["_templates"]
nitpicky = True
# Attributes that are properties: numpydoc links them to pages of their own, and they are described in their class.
nitpick_ignore = [("py:obj", "loss_curve_"), ("py:obj", "pretraining_loss_curves_")]
default_role = "literal"  # as scikit-learn's docstrings have it
highlight_language = "none"  # blocks without a language are formulas and output

toc_object_entries_show_parents = "hide"

html_title = "skdeepcluster"
html_favicon = "_static/logo.svg"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_sidebars = {"index": [], "quickstart": []}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
        "text": "skdeepcluster",
    },
    "show_prev_next": True,
    "header_links_before_dropdown": 7,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# A public name, method or parameter without documentation is a warning, and so an error.
numpydoc_validation_checks = {"GL08", "PR01", "PR02", "PR03", "RT01", "SS01"}
autodoc_typehints = "none"  # the docstrings have the types, in words
numpydoc_show_class_members = False  # the template of classes shows them

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "capture_repr": (),
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "subsection_order": [
        f"examples/{section}" for section in ("clusters", "data", "settings", "use")
    ],
    "within_subsection_order": "ExampleTitleSortKey",
}

MODULES = [
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


def public_objects():
    """Full name and object of every public class, function and scorer; a name of two modules is of the second."""
    modules = list(map(import_module, MODULES))
    shared = {name for module in modules[1:] for name in module.__all__}
    for module in modules:
        for name in module.__all__:
            if not inspect.ismodule(getattr(module, name)) and (
                module is not skdeepcluster or name not in shared
            ):
                yield f"{module.__name__}.{name}", getattr(module, name)


def methods(cls, package):
    """Names of the public methods of a class that a package defines."""
    found = []
    for name in dir(cls):
        attribute = getattr(cls, name, None)
        if not name.startswith("_") and callable(attribute):
            module = (
                getattr(attribute, "__module__", None) or type(attribute).__module__
            )
            if module.split(".")[0] == package:
                found.append(name)
    return found


PUBLIC = dict(public_objects())

# Every public name gets a page, whether or not somebody thought of listing it.
autosummary_generate = ["generated/public_names.rst"]
autosummary_context = {
    package: {
        name: methods(value, package)
        for name, value in PUBLIC.items()
        if inspect.isclass(value)
    }
    for package in ("skdeepcluster", "sklearn")
}
GENERATED = DOCS / "generated"
GENERATED.mkdir(exist_ok=True)
for page in GENERATED.glob("*.rst"):
    if page.stem not in PUBLIC:
        page.unlink()  # of a name that is gone
(GENERATED / "public_names.rst").write_text(
    ".. autosummary::\n   :toctree: .\n\n" + "".join(f"   {name}\n" for name in PUBLIC)
)

# Other projects: their names become links where the build can reach their inventories. This empty one stands in.
NO_INVENTORY = GENERATED / "none.inv"
NO_INVENTORY.write_bytes(
    b"# Sphinx inventory version 2\n# Project: none\n# Version: 0\n# The rest is compressed using zlib.\n"
    + zlib.compress(b"")
)
intersphinx_mapping = {
    project: (url, (None, str(NO_INVENTORY.relative_to(DOCS))))
    for project, url in {
        "sklearn": "https://scikit-learn.org/stable/",
        "numpy": "https://numpy.org/doc/stable/",
        "pandas": "https://pandas.pydata.org/docs/",
        "scipy": "https://docs.scipy.org/doc/scipy/",
    }.items()
}
intersphinx_timeout = 5  # seconds


def public_path(name, cls):
    """The full name by which the documentation of scikit-learn has a class."""
    public = itertools.takewhile(
        lambda part: not part.startswith("_"), cls.__module__.split(".")
    )
    return ".".join([*public, name])


CLASSES_OF_SKLEARN = {
    name: public_path(name, cls) for name, cls in all_estimators() + all_displays()
}

# Names by which pages speak of them: in full and, as no two modules share one, the last part.
API_PAGES = {name: name for name in PUBLIC} | {
    name.rsplit(".", 1)[1]: name for name in PUBLIC
}


def reference(app, node, domain, kind, target, is_elsewhere=False):
    """Put a reference around the contents of a node, which has to lead somewhere unless that is another project's."""
    xref = addnodes.pending_xref(
        "",
        refdomain=domain,
        reftype=kind,
        reftarget=target,
        refexplicit=True,
        refdoc=app.env.docname,
        refwarn=True,
        is_elsewhere=is_elsewhere,
    )
    node.replace_self(xref)
    xref += (
        node
        if isinstance(node, nodes.literal)
        else nodes.inline("", "", *node.children)
    )


def link(app, doctree):
    """Make links for HTML of what reads well as it is in the sources.

    Inline code that is a public name, or one of scikit-learn, NumPy, pandas or SciPy, links to its page,
    ``docs/NAME.md`` in a docstring to that page, and a link to the script of an example to its page in the gallery.
    """
    for literal in list(doctree.findall(nodes.literal)):
        text = literal.astext()
        in_link = any(
            isinstance(node.parent, nodes.reference | nodes.title)
            for node in (literal, literal.parent)
        )
        if in_link or isinstance(literal.parent, addnodes.pending_xref):
            continue
        if text in API_PAGES and not app.env.docname.endswith(API_PAGES[text]):
            if app.env.docname == "api":  # where the module is in the heading
                literal[:] = [nodes.Text(text.rsplit(".", 1)[-1])]
            reference(app, literal, "py", "obj", API_PAGES[text])
        elif page := re.fullmatch(r"docs/([\w/]+)\.md", text):
            reference(app, literal, "std", "doc", f"/{page[1]}")
        elif text in CLASSES_OF_SKLEARN or re.fullmatch(
            r"(numpy|pandas|scipy|sklearn)(\.\w+)+", text
        ):
            reference(
                app,
                literal,
                "py",
                "obj",
                CLASSES_OF_SKLEARN.get(text, text),
                is_elsewhere=True,
            )
    for download in list(doctree.findall(addnodes.download_reference)):
        if example := re.fullmatch(
            r"/?(?:\.\./)*(?:docs/)?examples/([\w/]+)\.py", download["reftarget"]
        ):
            reference(app, download, "std", "doc", f"/auto_examples/{example[1]}")


def leave_as_it_is(app, env, node, contents):
    """What another project has under no name, or what cannot be known without its inventory, is no link."""
    return contents if node.get("is_elsewhere") else None


def setup(app):
    app.connect("doctree-read", link, priority=400)  # before downloads are collected
    app.connect(
        "missing-reference", leave_as_it_is, priority=900
    )  # after other projects
