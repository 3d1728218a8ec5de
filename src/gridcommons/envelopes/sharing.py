"""Envelopes of a window: rest first, then class by class, by the method and objective asked for.

Priority (source 1, eqs. 15–16, made exact): while a class is served, lower classes stand at rest and
higher ones are held at both ends of what they got.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from gridcommons.envelopes.allocate import allocate
from gridcommons.envelopes.at_rest import RestState
from gridcommons.envelopes.boxes import Boxes
from gridcommons.envelopes.objectives import OBJECTIVES, Share
from gridcommons.envelopes.problem import Window
from gridcommons.model.grid import BoolArray

Method = Callable[[Window, Boxes, BoolArray, Share], Boxes]
"""Grows boxes: (window, start, free (steps, 2, assets), share) -> boxes."""


def share_window(
    window: Window,
    rest: RestState,
    classes: Sequence[BoolArray],
    objective: str,
    method: Method = allocate,
) -> Boxes:
    """The boxes of every step, class after class."""
    window, boxes = replace(window, rows=rest.rows), rest.boxes
    open_sides = np.stack([rest.max_resolved, rest.min_resolved], axis=1)
    for mine in classes:
        free = open_sides[:, :, None] & mine[None, None, :]
        boxes = method(window, boxes, free, OBJECTIVES[objective])
    return boxes
