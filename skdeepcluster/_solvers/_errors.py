"""What solvers raise; a function or a callback that they call raises other things."""


class NoLowerValueError(Exception):
    """No lower value can be found in working precision."""


class NotFiniteError(Exception):
    """A value or gradient is not finite."""
