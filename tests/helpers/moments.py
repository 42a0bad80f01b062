"""Something happens at every moment of a call at which Python may see a signal."""

import sys
from itertools import count


def at_every_moment(call, happens, step=1):
    """Call again and again; `happens` is called at the first moment, in the next call at one `step` later, and so on.

    Python looks at signals when a Python function begins and when a function of C has returned. These are the moments,
    in this thread. Generates, after every call, what `happens` or the call raised, or None; it ends with the first call
    that is over before its moment.
    """
    for n in count(1, step):
        left = n

        def profile(frame, event, argument):
            nonlocal left
            if event in ("call", "c_return", "c_exception"):
                left -= 1
                if left == 0:
                    sys.setprofile(None)
                    happens()

        raised = None
        try:
            sys.setprofile(profile)
            call()
        except BaseException as error:
            raised = error
        finally:
            sys.setprofile(None)
        if left > 0:
            return
        yield raised


def press_ctrl_c():
    """What the handler of the signal does."""
    raise KeyboardInterrupt
