"""Generators for every random draw: one for each thing, made of the study's seed and the thing's name."""

from __future__ import annotations

import hashlib

import numpy as np


def generator_for(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on the seed and on these names alone.

    A household's draws are thus the same however many others there are, and those for its car do not
    move when its roof changes.

    Parameters
    ----------
    seed : int
        Seed of the study.
    names : str
        What is drawn, and for whom: ``"car", "house_7"``.
    """
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, dtype="<u4").tolist()])
