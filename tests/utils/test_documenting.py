from lineage_clust.utils.documenting import parameters_as


def first(ax, size, dpi):
    """Draw.

    Parameters
    ----------
    ax : Axes
        Where.
    size, dpi
        Of a figure:

        in inches, and dots per inch.

    Returns
    -------
    None
    """


def test_entries_come_once_and_in_the_order_of_the_signature():
    @parameters_as(first)
    def second(color, ax, size, dpi, unknown=None):
        """Draw in a color.

        Parameters
        ----------
        color : str
            Which.

        Raises
        ------
        ValueError
            If it is none.
        """

    lines = second.__doc__.splitlines()
    assert [line for line in lines if line and not line.startswith((" ", "-"))] == [
        "Draw in a color.", "Parameters", "color : str", "ax : Axes", "size, dpi", "Raises", "ValueError",
    ]  # fmt: skip
    assert "    in inches, and dots per inch." in lines


def test_without_a_section_of_its_own_and_with_an_own_entry():
    @parameters_as(first)
    def bare(ax):
        """Draw."""

    @parameters_as(first)
    def own(ax):
        """Draw.

        Parameters
        ----------
        ax : Panel
            There.
        """

    assert bare.__doc__ == "Draw.\n\nParameters\n----------\nax : Axes\n    Where."
    assert own.__doc__ == "Draw.\n\nParameters\n----------\nax : Panel\n    There."


def test_the_default_is_that_of_the_signature():
    def other(size="small"):
        """Draw.

        Parameters
        ----------
        size : str, default="small"
            How large; the default=... is for the eye.
        """

    @parameters_as(other)
    def large(size="large"):
        """Draw."""

    assert large.__doc__.splitlines()[-2:] == [
        'size : str, default="large"', "    How large; the default=... is for the eye.",
    ]  # fmt: skip


def test_the_result_is_described_once_for_the_same_annotation():
    def other(ax) -> list[int]:
        """Draw.

        Returns
        -------
        list of int
            One per panel.

        Raises
        ------
        ValueError
            If there is none.
        """

    @parameters_as(other)
    def alike(ax) -> list[int]:
        """Draw."""

    @parameters_as(other)
    def different(ax) -> int:
        """Draw."""

    assert alike.__doc__.endswith("\n\nReturns\n-------\nlist of int\n    One per panel.")
    assert "Returns" not in different.__doc__
