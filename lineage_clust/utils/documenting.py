"""Shared descriptions of parameters: written once, and inserted into the docstrings of all functions that have them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable)

_HEAD = "Parameters\n----------\n"
_NEXT = re.compile(r"^\w[\w ]*\n-+$", re.MULTILINE)  # title of a section


def parameters_as(*others: Callable) -> Callable[[Function], Function]:
    """Return a decorator that completes a docstring with descriptions of parameters from other functions.

    Parameters are listed in the order of the signature, with its defaults. Parameters without a description are left
    out.

    *others : Functions with numpydoc docstrings, in order of precedence.

    >>> def one(ax, color):
    ...     '''Draw.
    ...
    ...     Parameters
    ...     ----------
    ...     ax : Axes
    ...         Where.
    ...     '''
    >>> @parameters_as(one)
    ... def other(data, ax):
    ...     '''Draw data.
    ...
    ...     Parameters
    ...     ----------
    ...     data : array
    ...         What.
    ...     '''
    >>> other.__doc__.splitlines()[4:]
    ['data : array', '    What.', 'ax : Axes', '    Where.']
    """

    def complete(function: Function) -> Function:
        if function.__doc__ is None:  # as with python -OO
            return function
        before, own, after = _parted(function)
        known: dict[str, str] = {}
        for name, parameter in inspect.signature(function).parameters.items():
            entries = (_described(other, name, parameter.default) for other in others)
            known[name] = own.get(name) or next(filter(None, entries), "")
        section = _HEAD + "\n".join(filter(None, dict.fromkeys(known.values())))
        function.__doc__ = "\n\n".join(part for part in (before, section, after) if part)
        return function

    return complete


def _described(other: Callable, name: str, default: Any) -> str | None:
    """Return a function's description of a parameter, with the default replaced; `None` if there is none."""
    entry, parameter = _parted(other)[1].get(name), inspect.signature(other).parameters.get(name)
    if entry is None or parameter is None or parameter.default == default:
        return entry
    return re.sub("default=.*", f"default={default!r}".replace("'", '"'), entry, count=1)


def _parted(function: Callable) -> tuple[str, dict[str, str], str]:
    """Return the docstring before its parameters, the entry of each parameter, and the docstring after them."""
    text = inspect.getdoc(function) or ""
    before, head, rest = text.partition(_HEAD)
    title = _NEXT.search(rest if head else text)
    if not head:
        return (text[: title.start()].rstrip(), {}, text[title.start() :]) if title else (text, {}, "")
    body, after = (rest[: title.start()], rest[title.start() :]) if title else (rest, "")
    entries = re.split(r"\n(?=\S)", body.strip("\n"))
    names = (
        [name.strip().lstrip("*") for name in entry.split("\n")[0].split(" : ")[0].split(",")] for entry in entries
    )
    of_name = {name: entry.rstrip() for group, entry in zip(names, entries, strict=True) for name in group}
    return before.rstrip(), of_name, after
