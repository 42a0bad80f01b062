"""What the tests of displays share."""

QUICK = {"max_iter": 15, "tol": 0.1, "random_state": 0}


def drawn(display):
    """The display, drawn to pixels: whatever is wrong with an artist shows then, warnings are errors."""
    assert display.ax_.figure is display.figure_
    display.figure_.canvas.draw()
    return display
