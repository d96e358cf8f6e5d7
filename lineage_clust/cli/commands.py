"""The subcommands of the program, in the order of its help."""

from . import compare, demo, run

COMMANDS = (demo, run, compare)
"""Modules with a function `add_to(commands)`, which adds the parser of a subcommand: `set_defaults(command=function)` names
the function of the parsed arguments that returns the text for stdout, and `common_options` adds what all of them have."""
