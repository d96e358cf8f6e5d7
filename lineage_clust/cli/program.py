"""Main function of the program: parser, exit codes and error messages."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .._version import __version__
from ..errors import LineageClustWarning
from . import compare, demo, run
from .messages import progress_messages, sentence, show_warning
from .options import UsageError

COMMANDS = (demo, run, compare)
"""The subcommands in the order of the help: modules with a function `add_to(commands)`, which adds a parser whose default
`command` is the function of the parsed arguments that returns the text for stdout."""

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_CODES = """\
exit codes:
  0    done
  1    the analysis failed: a file, its content, or memory; one sentence on stderr explains what to do
  2    the command is wrong: an unknown option, or a value that it cannot have
  130  interrupted
  Unless it is 0, no file was written or changed.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with arguments (`None` = those of the process), and return its exit code, see `_CODES`.

    After invalid arguments, `--help` and `--version`, argparse raises SystemExit.
    """
    arguments = make_parser().parse_args(argv)
    arguments.alone = argv is None  # in a process of its own, which may be forked
    if arguments.alone:
        _end_as_if_interrupted()
    with warnings.catch_warnings(), progress_messages(arguments.verbose, arguments.quiet), _rare_collection():
        warnings.simplefilter("always", LineageClustWarning)
        warnings.showwarning = show_warning(warnings.showwarning)
        try:
            report = arguments.command(arguments)
        except KeyboardInterrupt:
            return _fail(arguments, "interrupted; no file was written.", INTERRUPTED)
        except UsageError as error:
            return _fail(arguments, f"error: {sentence(error)}", USAGE)
        except Exception as error:  # users of the program should not see tracebacks
            return _fail(arguments, f"error: {sentence(error)}", FAILED)
        try:
            print(report)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has closed the pipe, as `| head` does; the files are complete
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def _end_as_if_interrupted() -> None:
    """Let requests to end, from batch systems and closed terminals, stop other processes and remove unfinished files."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores it
            signal.signal(number, signal.default_int_handler)


@contextmanager
def _rare_collection() -> Iterator[None]:
    """Collect cyclic garbage less often, which takes 7 % of the time because figures have many small objects."""
    usual = gc.get_threshold()
    gc.set_threshold(100_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _fail(arguments: argparse.Namespace, what: str, code: int) -> int:
    if arguments.debug:
        traceback.print_exc()
    print(f"lineage-clust: {what}", file=sys.stderr)
    return code


def make_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(
        prog="lineage-clust",
        description="Fit a smooth expression trend for every gene along a lineage, and cluster the genes by the "
        "shape of their trends.",
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lineage-clust {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser
