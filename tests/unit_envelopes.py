"""Boxes of small studies, and the exhaustive check of their vertices, for tests."""

from __future__ import annotations

from itertools import product

import numpy as np

from feeders import battery, charger, load, random_tree, solar, study, window
from gridcommons.envelopes.at_rest import settle_at_rest
from gridcommons.envelopes.margins import worst_margins
from gridcommons.envelopes.sharing import share_window


def boxes_of(of, objective="max_total", classes=None, support=None) -> tuple:
    w = window(of)
    everyone = np.ones(len(w.asset), dtype=bool)
    rest = settle_at_rest(w, np.zeros_like(everyone) if support is None else support)
    return w, rest, share_window(w, rest, classes or [everyone], objective)


def worst_of_all_vertices(w, rest, boxes) -> float:
    """Largest violation over every vertex of every step, by the exact load flow."""
    vertices = np.array(list(product([False, True], repeat=len(w.asset))))
    step = np.repeat(np.arange(w.steps), len(vertices))
    p_kw = boxes.corner(step, np.tile(vertices, (w.steps, 1)))
    worst, _ = worst_margins(rest.rows, w.flow(p_kw, step), step)
    return float(worst.max())


def mixed_study(seed: int, count: int = 9):
    generator = np.random.default_rng(seed)
    grid = random_tree(generator, count)
    places = [f"b{k}" for k in generator.integers(1, count + 1, 6)]
    sizes = generator.uniform(5.0, 60.0, 6)
    assets = [
        battery("B1", places[0], sizes[0]),
        battery("B2", places[1], sizes[1]),
        charger("C1", places[2], sizes[2]),
        charger("C2", places[3], sizes[3]),
        solar("S1", places[4], sizes[4]),
        solar("S2", places[5], sizes[5]),
        *[load(f"L{k}", f"b{k}") for k in range(1, count + 1)],
    ]
    steps = 3
    profiles = {"S1": sizes[4], "S2": sizes[5]}
    profiles |= {f"L{k}": generator.uniform(0.0, 2.0, steps) for k in range(1, count + 1)}
    return study(grid, assets, profiles, steps=steps)
