"""What a parameter is, in words that are the same in every process: to be compared with those of another day."""

import copyreg
import dis
from functools import partial
from hashlib import sha256
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType

import numpy as np

# Longer ones are shown by a checksum.
_LONGEST_REPR = 200

_NUMBERS_AND_WORDS = (type(None), type(...), bool, int, float, complex, str, bytes)


def described(value):
    """A text that differs where values differ, and why it may not, or None.

    Numbers and words are shown as they are. Everything else has its name and a checksum: a function that of its code,
    its defaults, its closure and the globals that it uses, of which functions and classes of other modules count by
    their names; an object that of what pickle would keep of it, and of its ``__call__``. What pickle cannot keep, such
    as an open file, has its name alone.

    Parameters
    ----------
    value : object

    Returns
    -------
    text : str
    unknown : str or None
        Why the contents are not in it.
    """
    value = value.item() if isinstance(value, np.generic) else value
    name = _name_of(value)
    try:
        if _is_plain(value) and len(shown := repr(value)) <= _LONGEST_REPR:
            return shown, None
        return f"{name}, checksum {_Contents().digest(value)[:16]}", None
    # To be pickled, an object runs what its author wrote; and contents may be too deep.
    except Exception as error:
        return f"{name}, contents unknown", f"{type(error).__name__}: {error}"


def _is_plain(value):
    return type(value) in _NUMBERS_AND_WORDS or (type(value) in (tuple, list) and all(map(_is_plain, value)))


def _name_of(value):
    if isinstance(value, partial):
        return f"partial of {_name_of(value.func)}"
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


class _Contents:
    """Digests of values by their contents, each made of those of its parts."""

    def __init__(self):
        # By identity, with the values, so that no other object can have the same.
        self._known = {}
        self._open = {}

    def digest(self, value):
        """One that is the same for equal contents."""
        key = id(value)
        if key in self._known:
            return self._known[key][1]
        if key in self._open:
            return f"that at depth {self._open[key]}"
        self._open[key] = len(self._open)
        kind, *parts = self._parts(value)
        digest = sha256(kind.encode(errors="surrogatepass"))
        for part in parts:
            digest.update(sha256(part).digest() if isinstance(part, bytes) else self.digest(part).encode())
        del self._open[key]
        self._known[key] = value, digest.hexdigest()
        return digest.hexdigest()

    def _parts(self, value):
        """A word for what a value is, and its parts: values, or bytes."""
        kind = type(value)
        if kind in _NUMBERS_AND_WORDS:
            return f"{kind.__name__} {value!r}", b""
        if kind in (tuple, list):
            return kind.__name__, *value
        if kind in (set, frozenset):
            return f"{kind.__name__} {sorted(map(self.digest, value))}", b""
        if kind is dict:
            return f"dict {sorted((self.digest(key), self.digest(item)) for key, item in value.items())}", b""
        if kind is np.ndarray and not value.dtype.hasobject:
            return f"array {value.dtype} {value.shape}", np.ascontiguousarray(value).tobytes()
        if isinstance(value, ModuleType):
            return f"module {value.__name__}", b""
        if isinstance(value, type) or (isinstance(value, BuiltinFunctionType) and not _is_bound(value)):
            return f"global {_name_of(value)}", b""
        if isinstance(value, (MethodType, BuiltinFunctionType)):
            return f"method {value.__name__}", value.__self__, getattr(value, "__func__", None)
        if isinstance(value, partial):
            return "partial", value.func, value.args, value.keywords
        if isinstance(value, CodeType):
            return "code", value.co_code, *_parts_of_code(value)
        if isinstance(value, CellType):
            return ("cell", value.cell_contents) if _is_full(value) else ("empty cell", b"")
        if isinstance(value, FunctionType):
            return _parts_of_function(value)
        return _parts_of_object(value)


def _is_bound(function):
    return not isinstance(function.__self__, (ModuleType, str, type(None)))


def _is_full(cell):
    try:
        return cell.cell_contents is not None or True
    except ValueError:
        return False


def _parts_of_code(code):
    exceptions = code.co_exceptiontable
    arguments = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return exceptions, code.co_names, code.co_consts, arguments


def _parts_of_function(function):
    used = _globals_used(function.__code__) & {*function.__globals__}
    variables = {name: _known_by_name(function.__globals__[name], function.__module__) for name in used}
    name = f"function {_name_of(function)}"
    return name, function.__code__, function.__defaults__, function.__kwdefaults__, function.__closure__, variables


def _known_by_name(value, module):
    """The name of a function or class of another module, and everything else as it is."""
    is_of_other = isinstance(value, (FunctionType, BuiltinFunctionType, type)) and value.__module__ != module
    return _name_of(value) if is_of_other else value


def _globals_used(code):
    names = {instruction.argval for instruction in dis.get_instructions(code) if instruction.opname == "LOAD_GLOBAL"}
    return names.union(*(_globals_used(constant) for constant in code.co_consts if isinstance(constant, CodeType)))


def _parts_of_object(value):
    kind = type(value)
    reduce = copyreg.dispatch_table.get(kind)
    reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
    if isinstance(reduced, str):
        return f"global {kind.__module__}.{reduced}", b""
    make, arguments, *contents = reduced
    # Two of them are iterators; the last says how to set the others.
    state, items, pairs = (*contents, None, None, None)[:3]
    # Methods are no part of what pickle keeps, but this one is what is called.
    call = next((vars(base)["__call__"] for base in kind.__mro__ if "__call__" in vars(base)), None)
    own_call = call if isinstance(call, FunctionType) else None
    parts = arguments, state, list(items or ()), list(pairs or ()), own_call
    return f"object {_name_of(kind)} by {_name_of(make)}", *parts
