"""Charts look the same whatever else a process has imported."""

from __future__ import annotations

from matplotlib.collections import LineCollection

from gridcommons.adapters.report.style import finish, make_figure, style


def test_strokes_have_the_ends_that_the_chart_gives_them_beside_pandapower():
    """Importing it gives every stroke of the process round ends: a run and a later report would differ."""
    import pandapower.plotting  # noqa: F401

    def drawn(**look):
        with style():
            figure = make_figure(1.0)
            figure.add_axes((0.0, 0.0, 1.0, 1.0)).set_axis_off()
            figure.axes[0].add_collection(LineCollection([[(0.0, 0.0), (1.0, 1.0)]], **look))
            return finish(figure, "A line.", "line").svg

    assert "stroke-linecap: round" not in drawn()
    assert "stroke-linecap: round" in drawn(capstyle="round")
