"""Shared descriptions of parameters and results: written once, and inserted into docstrings of functions that have them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable)

_HEAD = "Parameters\n----------\n"
_NEXT = re.compile(r"^\w[\w ]*\n-+$", re.MULTILINE)  # title of a section
_RETURNS = re.compile(r"^Returns\n-------\n(?:.+\n?)+", re.MULTILINE)


def parameters_as(*others: Callable) -> Callable[[Function], Function]:
    """Return a decorator that completes a docstring with descriptions of parameters from other functions.

    Parameters are listed in the order of the signature, with its defaults. Parameters without a description are left
    out. A function without a section Returns gets that of the first other one with the same annotation of the result.

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
        returns = "" if _RETURNS.search(after) else _returned(function, others)
        function.__doc__ = "\n\n".join(part for part in (before, section, returns, after) if part)
        return function

    return complete


def _returned(function: Callable, others: tuple[Callable, ...]) -> str:
    """Return the section Returns of the first function with the same annotation of its result, or ""."""
    kind = inspect.signature(function).return_annotation
    alike = [other for other in others if kind is not inspect.Signature.empty
             and inspect.signature(other).return_annotation == kind]  # fmt: skip
    found = (_RETURNS.search(inspect.getdoc(other) or "") for other in alike)
    return next((match[0].rstrip() for match in found if match), "")


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
