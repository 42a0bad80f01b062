"""What the examples of the gallery claim, on less data."""

import ast
from pathlib import Path

import numpy as np

from skdeepcluster import SparseAutoencoderTransformer

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "data"


def definitions(name, imports):
    """The constants and functions of an example, without running it; `imports` are the modules that they need."""
    kept = [
        node
        for node in ast.parse((EXAMPLES / name).read_text()).body
        if isinstance(node, ast.FunctionDef)
        or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Import | ast.ImportFrom) and ast.unparse(node) in imports)
    ]
    namespace = {}
    exec(compile(ast.Module(kept, type_ignores=[]), name, "exec"), namespace)
    return namespace


def test_units_learn_oriented_edges_from_image_patches():
    imports = [
        "import numpy as np",
        "from scipy.ndimage import gaussian_filter",
        "from sklearn.datasets import load_sample_images",
    ]
    example = definitions("plot_image_patches.py", imports)
    orientation_share = example["orientation_share"]
    noise = orientation_share(np.random.RandomState(0).normal(size=(2000, 64)))
    threshold = np.quantile(noise, 0.99)
    assert 0.25 < np.median(noise) < threshold < 0.55

    X = example["whiten"](example["draw_patches"](3000))
    sparse = SparseAutoencoderTransformer(
        25, output_activation="logistic", rho=0.01, beta=3, lam=1e-4, tol=5e-5, max_iter=1000, random_state=0
    ).fit(X)
    plain = SparseAutoencoderTransformer(
        25, output_activation="logistic", beta=0, lam=1e-4, tol=1e-3, random_state=0
    ).fit(X)
    assert np.mean(orientation_share(sparse.coefs_[0].T) > threshold) > 0.7
    assert np.mean(orientation_share(plain.coefs_[0].T) > threshold) < 0.3


def test_the_orientation_of_stripes_is_seen_in_any_direction():
    orientation_share = definitions("plot_image_patches.py", ["import numpy as np"])["orientation_share"]
    rows, columns = np.mgrid[:8, :8]
    for angle in np.linspace(0, np.pi, 8, endpoint=False):
        stripes = np.sin(2 * np.pi / 4 * (columns * np.cos(angle) + rows * np.sin(angle)))
        assert orientation_share(stripes.ravel()).item() > 0.6
    centre = np.exp(-((rows - 3.5) ** 2 + (columns - 3.5) ** 2) / 2)
    assert orientation_share(centre.ravel()).item() < 0.35
