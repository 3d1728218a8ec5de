"""A function of two variables in a program, by triangles with a binary each (the published method).

D'Ambrosio, Lodi, Martello, "Piecewise linear approximation of functions of two variables in MILP models",
Operations Research Letters 38 (2010), section 2.3. It interpolates any function and needs a binary a
triangle; the opportunity cost is convex, so that tangents price it without: these triangles are its
independent check, from above where tangents are from below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.optimisation.linear_model import Linear, LinearModel


@dataclass(frozen=True, eq=False)
class Triangulation:
    """Values of a function at the points of a rectangular grid.

    Parameters
    ----------
    x : (rows,)
        Rising coordinates of the first variable.
    y : (columns,)
        Rising coordinates of the second variable.
    value : (rows, columns)
        The function there.
    """

    x: FloatArray
    y: FloatArray
    value: FloatArray


def interpolate(model: LinearModel, x: Linear, y: Linear, grid: Triangulation) -> Linear:
    """The function at (x, y), interpolated between the corners of the triangle in which the point lies.

    Each rectangle is cut from its corner of least x and y to the one of largest x and y.

    Parameters
    ----------
    model : LinearModel
        Gets a weight a corner, a binary a triangle and the rows that tie them.
    x, y : (cells,)
        The two variables; they are kept on the grid.
    grid : Triangulation
        The function.

    Returns
    -------
    Linear of shape (cells,)
    """
    cells, (rows, columns) = x.shape[0], grid.value.shape
    weight = model.variable((cells, rows, columns), upper=1.0)
    chosen = model.variable((cells, 2, rows - 1, columns - 1), upper=1.0, whole=True)
    model.require_equal("weigh_corners", _all(weight), 1.0)
    model.require_equal("choose_one_triangle", _all(chosen.sum(1)), 1.0)
    model.require_equal("interpolate_x", _all(weight * grid.x[:, None]) - x)
    model.require_equal("interpolate_y", _all(weight * grid.y) - y)
    for row, column in np.ndindex(rows, columns):
        _weigh_only_corners_of_the_chosen(model, weight, chosen, (row, column))
    return _all(weight * grid.value)


def _weigh_only_corners_of_the_chosen(
    model: LinearModel, weight: Linear, chosen: Linear, corner: tuple[int, int]
) -> None:
    """The weight of a corner is at most 1 where a triangle that touches it is chosen, else 0."""
    row, column = corner
    touching = -weight[:, row, column]
    # By the corner's place in a rectangle: those of the cut belong to both of its triangles.
    for down, right, triangles in ((0, 0, (0, 1)), (1, 1, (0, 1)), (0, 1, (0,)), (1, 0, (1,))):
        r, c = row - down, column - right
        if 0 <= r < chosen.shape[2] and 0 <= c < chosen.shape[3]:
            for triangle in triangles:
                touching = touching + chosen[:, triangle, r, c]
    model.require("weigh_only_corners_of_the_chosen", touching, lower=0.0)


def _all(expression: Linear) -> Linear:
    """Sum over all but the first axis."""
    return expression.sum(2).sum(1)
