"""Help, progress and exit codes of the program."""

import logging
import subprocess
import sys

import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust.cli import main

from .files import FILES


@pytest.mark.slow
def test_module_runs_as_program():
    done = subprocess.run(
        [sys.executable, "-m", "lineage_clust", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["lineage-clust", lc.__version__]


@pytest.mark.usefixtures("quick")
def test_progress_is_said_where_somebody_watches_or_asks(file, tmp_path, capsys, monkeypatch):
    command = ["run", str(file), "--lineage", "B", "--genes", "up0,up1,down0", "--out", str(tmp_path / "out")]

    def said(*options):
        assert main([*command, *options]) == 0
        return capsys.readouterr().err

    assert said() == ""
    lines = [line.split(" s  ")[1] for line in said("--verbose").splitlines()]
    cells = int(next(line for line in lines if line.startswith("Lineage 'B'")).split()[2])
    assert [line for line in lines if not line.startswith(("Lineage", "3 genes have"))] == [
        f"Reading {file}.",
        f"{file}: 120 cells, 15 genes.",
        f"Fitting 3 genes along B ({cells} cells).",
        "Clustering 3 genes, whose trends pass the thresholds.",
        *(f"Writing {tmp_path / 'out' / name.format('B')}." for name in FILES),
    ]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert "Fitting 3 genes along B" in said()
    assert said("--quiet") == ""
    assert not any(type(handler).__name__ == "_Progress" for handler in logging.getLogger("lineage_clust").handlers)


@pytest.mark.parametrize("command", ["run", "demo"])
def test_help_is_in_groups_with_examples(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert f"lineage-clust {command} " in out.partition("example")[2]
    groups = ["lineages:", "what is read ", "how it is done "] if command == "run" else []
    places = [out.index(f"\n{group}") for group in [*groups, "messages on stderr:"]]
    assert places == sorted(places)


def test_the_examples_of_the_help_can_be_parsed(capsys):
    from lineage_clust.cli import make_parser
    from lineage_clust.cli.run import _EXAMPLES

    lines = [line.split("  ")[1] for line in _EXAMPLES.splitlines()[1:]]
    assert len(lines) > 4
    for line in lines:
        arguments = make_parser().parse_args(line.partition(" 2> ")[0].split()[1:])
        assert arguments.command.__name__ == "run"


def test_the_exit_codes_of_the_help_are_those_of_the_program(capsys):
    from lineage_clust.cli import program

    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out.partition("exit codes:")[2]
    codes = [int(line.split()[0]) for line in text.splitlines() if line.split() and line.split()[0].isdigit()]
    assert codes == [program.OK, program.FAILED, program.USAGE, program.INTERRUPTED] == [0, 1, 2, 130]


@pytest.mark.slow
def test_files_have_names_that_windows_takes(tmp_path, small, quick):
    small.uns["lineages_fwd_names"] = np.array(["CD34: high?", "CD34_ high_"])
    small.write_h5ad(tmp_path / "cells.h5ad")
    out = tmp_path / "out"
    names = [option for name in ("CD34: high?", "CD34_ high_") for option in ("--lineage", name)]
    assert main(["run", str(tmp_path / "cells.h5ad"), *names, "--out", str(out)]) == 0
    files = [path.name for path in out.iterdir()]
    assert len({name.casefold() for name in files}) == len(files) == 8
    assert not any(character in name for name in files for character in '<>:"|?*')
