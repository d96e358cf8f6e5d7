"""Messages on stderr: progress, warnings and errors, in terms of the command line."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import LineageClustWarning
from ..utils.progress import progress_bars

_LIBRARY = logging.getLogger("lineage_clust")
_log = logging.getLogger(__name__)
_NAMED = re.compile(
    r"\b(pass )?(alpha|backward|genes|gene_symbols|layer|lineage|lineage_key|memory_budget|min_deviance_explained|min_range"
    r"|sample_key|time_key|time_range|use_raw)=([^\s,;]*[^\s,;.]|\.\.\.)"
)
_BARE = re.compile(
    r"(?<![\w.'\"\[-])(condition_key|gene_symbols|lineage_key|memory_budget|min_deviance_explained|min_range|n_neighbors"
    r"|n_splines|random_state|sample_key|time_key|time_range|(?:alpha|resolution)(?= must be))(?![\w.'\"\]=])"
)
_FLAGS = {
    "condition_key": "--condition", "random_state": "--seed", "gene_symbols": "--symbols", "sample_key": "--sample",
}  # fmt: skip
_MAY_BE_NONE = ("alpha", "min_deviance_explained", "min_range")


def say(what: str) -> None:
    """Print a progress message, if messages are shown."""
    _log.info(what)


@contextmanager
def progress_messages(verbose: bool = False, quiet: bool = False) -> Iterator[None]:
    """Show progress messages of program and library on stderr, with the time since the start, and progress bars.

    If stderr is not a terminal, there are no progress bars, and messages only if `verbose`.
    """
    watched = sys.stderr.isatty() and not quiet
    if not watched and not verbose:
        yield
        return
    handler, level = _Progress(), _LIBRARY.level
    _LIBRARY.addHandler(handler)
    _LIBRARY.setLevel(min(logging.INFO, _LIBRARY.getEffectiveLevel()))
    try:
        with progress_bars(watched):
            yield
    finally:
        _LIBRARY.removeHandler(handler)
        _LIBRARY.setLevel(level)


@contextmanager
def without_reading() -> Iterator[None]:
    """Suppress messages about reading lineages again, as reports do."""
    logger = logging.getLogger("lineage_clust.lineage")
    level = logger.level
    logger.setLevel(max(logging.WARNING, level))
    try:
        yield
    finally:
        logger.setLevel(level)


class _Progress(logging.Handler):
    """Writes each message on a line of its own, above a progress bar."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._start = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        message = " ".join(record.getMessage().split())
        tqdm.write(f"{time.monotonic() - self._start:7.1f} s  {message}", file=sys.stderr)


def sentence(error: Exception) -> str:
    """Return the message of an error, with advice for types of errors that our own code does not raise."""
    said = _one_line(error)
    if isinstance(error, MemoryError):
        return f"there is not enough memory ({said or 'Python says no more'}). Name fewer genes with --genes."
    if isinstance(error, (OSError, TypeError, ValueError)) and said:
        return said
    what = f"{type(error).__name__}: {said}".rstrip(": ")
    return f"{what}{'' if what.endswith('.') else '.'} Add --debug to see where it happened."


def show_warning(show: Callable) -> Callable:
    """Return a function that shows our warnings as one sentence, and others by `show`."""

    def shown(message, category, *place, **more) -> None:
        if issubclass(category, LineageClustWarning):
            print(f"lineage-clust: warning: {_one_line(message)}", file=sys.stderr)
        else:
            show(message, category, *place, **more)

    return shown


def _one_line(message: object) -> str:
    if isinstance(message, OSError) and message.strerror and message.filename:
        return f"{message.filename}: {message.strerror}."
    said = " ".join(str(message).split()).replace("gene_table_", "the table of genes")
    return _BARE.sub(lambda named: _flag_of(named[1]), _NAMED.sub(_flag, said))


def _flag_of(name: str) -> str:
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")


def _flag(named: re.Match) -> str:
    """Return the flag for a parameter named in a message of the library, such as "time_key=..."."""
    lead, name, value = named[1] or "", named[2], named[3]
    flag = _flag_of(name)
    if value == "False" or (value == "None" and name not in _MAY_BE_NONE):
        return f"{'leave out' if lead else 'no'} {flag}"
    return lead + flag + {"True": "", "None": " none"}.get(value, f" {value}")
