"""Draw the thumbnail of the example on Dask: python docs/images/draw_dask.py"""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch, Rectangle

WORKERS = {1: "#1f6feb", 2: "#f59e0b", 3: "#10b981"}  # height: colour

figure, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
for height, colour in WORKERS.items():
    for k in range(3):
        ax.add_patch(
            Rectangle((0, height + 0.22 * k - 0.3), 1.6, 0.18, color=colour, alpha=0.9)
        )
    ax.add_patch(
        FancyBboxPatch(
            (2.6, height - 0.25),
            1.4,
            0.5,
            boxstyle="round,pad=0.05",
            fc="white",
            ec=colour,
            lw=2,
        )
    )
    ax.text(3.3, height, "worker", ha="center", va="center", fontsize=13)
    ax.annotate(
        "",
        (2.5, height),
        (1.7, height),
        arrowprops={"arrowstyle": "->", "color": "grey"},
    )
    ax.annotate(
        "", (5.2, 2), (4.15, height), arrowprops={"arrowstyle": "->", "color": "grey"}
    )
ax.add_patch(
    FancyBboxPatch(
        (5.3, 1.65),
        1.5,
        0.7,
        boxstyle="round,pad=0.05",
        fc="#eef2f6",
        ec="#57606a",
        lw=2,
    )
)
ax.text(6.05, 2, "J, sums", ha="center", va="center", fontsize=13)
ax.text(0.8, 0.35, "chunks of rows", ha="center", fontsize=12)
ax.set(xlim=(-0.1, 7), ylim=(0.2, 3.6))
ax.set_axis_off()
figure.savefig(Path(__file__).with_name("cluster_on_dask.png"), dpi=80)
