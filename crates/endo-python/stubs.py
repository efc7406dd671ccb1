"""Writes `python/endo/_native.pyi` from the native module: `python stubs.py`, or `--check`.

The names and defaults are the module's own; what a name means for its type is said here once.
"""

import inspect
import sys
from pathlib import Path

from endo import _native

STUBS = Path(__file__).parent / "python" / "endo" / "_native.pyi"

# The types of arguments, by their names.
ARGUMENTS = {
    "axes": "list[int] | None",
    "constraint": "Callable[[Tensor], Tensor] | None",
    "copy": "bool | None",
    "depth": "int",
    "dtype": "Any",
    "equation": "str",
    "family": "str",
    "first_values": "dict[str, Callable[[tuple[int, ...]], Any]] | None",
    "k": "int",
    "keepdims": "bool",
    "kind": "str",
    "layer": "LayerHandle",
    "loss": "LossHandle",
    "name": "str | None",
    "own_seed": "int | None",
    "parts": "int",
    "path": "str",
    "permutation": "list[int]",
    "reduce": "bool",
    "reduction": "str",
    "repeats": "list[int]",
    "seed": "int | None",
    "shape": "list[int] | None",
    "stream": "int",
    "text": "str | None",
    "trainable": "bool | None",
    "training": "bool | None",
    "transpose_a": "bool",
    "transpose_b": "bool",
    "variable": "Variable",
    "widths": "list[tuple[int, int]]",
}
# What functions return that is no tensor.
RETURNS = {
    "add_loss": "None",
    "add_metric": "None",
    "apply": "list[Tensor]",
    "cond": "list[Tensor]",
    "constrain": "None",
    "current_path": "str",
    "initialize": "ndarray",
    "is_open": "bool",
    "is_tracing": "bool",
    "is_training": "bool",
    "mask": "Tensor | None",
    "names": "list[str]",
    "numpy": "ndarray",
    "random_seed": "int",
    "regularize": "None",
    "set_random_seed": "None",
    "split": "list[Tensor]",
    "top_k": "tuple[Tensor, Tensor]",
    "use_weights": "None",
}
HEAD = '''"""The native part of endo. It is private: use `endo.keras` and `endo.tf`.

Written by stubs.py from the module itself.
"""

from collections.abc import Callable
from typing import Any

from numpy import ndarray

__version__: str
'''


def parameters(value, is_method):
    """The arguments as a stub has them."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return "*arguments: Any, **options: Any"
    shown = []
    for name, parameter in signature.parameters.items():
        if name in ("self", "$self"):
            continue
        kind = ARGUMENTS.get(name, "Any")
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        shown.append(f"{star}{name}: {kind}{default}")
    return ", ".join((["self"] if is_method else []) + shown)


def first_line(value):
    text = (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")
    return text.replace("\\", "\\\\").replace('"', "'")


def function(name, value, indent="", is_method=False, is_static=False, result=None):
    result = result or RETURNS.get(name, "Any" if is_method or is_static else "Tensor")
    lines = [f"{indent}@staticmethod"] if is_static else []
    lines.append(f"{indent}def {name}({parameters(value, is_method)}) -> {result}:")
    doc = first_line(value)
    lines.append(f'{indent}    """{doc}"""' if doc else f"{indent}    ...")
    return lines


def class_lines(name, kind):
    """A class with what is its own."""
    bases = [base.__name__ for base in kind.__bases__ if base is not object]
    lines = [f"class {name}({', '.join(bases)}):" if bases else f"class {name}:"]
    doc = first_line(kind)
    body = [f'    """{doc}"""'] if doc else []
    if issubclass(kind, Exception):
        return lines + (body or ["    ..."])
    for member in sorted(vars(kind)):
        value = vars(kind)[member]
        if member in ("__doc__", "__module__", "__dict__", "__weakref__", "__getstate__"):
            continue
        if member == "__new__":
            body += function("__init__", kind, "    ", True, False, "None")
        elif isinstance(value, staticmethod):
            body += function(member, getattr(kind, member), "    ", False, True, name)
        elif inspect.isgetsetdescriptor(value):
            body += ["    @property", f"    def {member}(self) -> Any:"]
            body += [f'        """{first_line(value)}"""' if first_line(value) else "        ..."]
        elif callable(value):
            body += function(member, value, "    ", True)
        else:
            body.append(f"    {member}: Any")
    return lines + body


def stubs():
    """The text of the file."""
    lines = [HEAD]
    for name in sorted(vars(_native)):
        value = getattr(_native, name)
        if name.startswith("__"):
            continue
        if inspect.isclass(value):
            lines += ["", *class_lines(name, value), ""]
        else:
            lines += function(name, value)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if STUBS.read_text() == stubs() else "stubs are old: run python stubs.py")
    STUBS.write_text(stubs())
