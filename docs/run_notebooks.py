"""Execute the notebooks that the gallery offers, after a build of the pages: python docs/run_notebooks.py

Those whose data have to be fetched get small stand-ins of them, which say whether the notebook runs, and nothing else.
"""

import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas  # noqa: F401, imported once for all notebooks, as the last two are
from IPython.core.interactiveshell import InteractiveShell
from sklearn.datasets import load_digits

import skdeepcluster.model_selection
import skdeepcluster.plotting  # noqa: F401, as pandas

NOTEBOOKS = Path(__file__).parent / "auto_examples"


def write_mnist(folder):
    """Images of 28 x 28 pixels: digits of 8 x 8 made larger."""
    digits, y = load_digits(return_X_y=True)
    images = np.kron(digits[:300].reshape(-1, 8, 8), np.ones((3, 3)))
    X = np.pad(images, [(0, 0), (2, 2), (2, 2)]).reshape(300, 784) * 15
    np.savez(folder / "mnist.npz", X=X.astype(np.uint8), y=y[:300])


def write_newsgroups(folder):
    """Messages with a header, of words that each group draws from a tenth of the vocabulary and from all of it."""
    rng = np.random.default_rng(0)
    words = np.array(
        ["".join(rng.choice([*"abcdefghiklmnoprstuvw"], 6)) for _ in range(600)]
    )
    y = np.repeat(np.arange(20), 40)
    texts = [
        f"From: nobody\nSubject: {group}\n\n"
        + " ".join(
            [
                *rng.choice(words[group * 30 : group * 30 + 60], 30),
                *rng.choice(words, 10),
            ]
        )
        for group in y
    ]
    blob = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, blob)])
    np.savez(
        folder / "newsgroups20.npz",
        texts=np.frombuffer(b"".join(blob), np.uint8),
        offsets=offsets,
        y=y,
    )


def write_spoken_digits(folder):
    """Tones whose pitch rises or falls as the digit has it, from a base that is the speaker's."""
    rng = np.random.default_rng(0)
    y, speaker = (
        part.ravel()
        for part in np.meshgrid(np.repeat(np.arange(10), 5), ["a", "b", "c"])
    )
    samples = []
    for digit, voice in zip(y, speaker):
        time_ = np.arange(rng.integers(2000, 5000)) / 8000
        pitch = {"a": 200, "b": 300, "c": 400}[voice] + 300 * (digit - 4) * time_
        tone = np.sin(2 * np.pi * pitch * time_) + rng.normal(
            scale=0.1, size=len(time_)
        )
        samples.append((8000 * tone).astype(np.int16))
    offsets = np.cumsum([0, *map(len, samples)])
    np.savez(
        folder / "fsdd.npz",
        samples=np.concatenate(samples),
        offsets=offsets,
        y=y,
        speaker=speaker,
    )


def run_cells(notebook, folder):
    """Run the cells as IPython does; the process ends with an error where a cell does."""
    os.chdir(folder)
    plt.switch_backend("agg")
    shell = InteractiveShell.instance()
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            shell.run_cell("".join(cell["source"])).raise_error()


def execute(notebook, folder):
    """Run a notebook in a process of its own, which begins with what is imported here."""
    process = multiprocessing.get_context("fork").Process(
        target=run_cells, args=(notebook, folder)
    )
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{notebook} ended with an error.")


if __name__ == "__main__":
    notebooks = sorted(NOTEBOOKS.rglob("*.ipynb"))
    if not notebooks:
        sys.exit(f"No notebooks in {NOTEBOOKS}: build the pages first.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for write in (write_mnist, write_newsgroups, write_spoken_digits):
            write(folder)
        os.environ.update(SKDEEPCLUSTER_DATA=name, N_ROWS="20000")
        for notebook in notebooks:
            start = time.perf_counter()
            execute(notebook, folder)
            seconds = time.perf_counter() - start
            title = notebook.relative_to(NOTEBOOKS)
            print(f"\n=== {title}: {seconds:.1f} s ===\n", flush=True)
    print(f"{len(notebooks)} notebooks executed")
