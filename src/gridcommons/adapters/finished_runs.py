"""Keeps the finished pieces of a long run in a folder, so that a killed run goes on where it stood."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridcommons.adapters.parquet_results import is_alive, json_text


class FinishedRunFolder:
    """One file a finished piece, named by a hash of everything that the piece depends on.

    Parameters
    ----------
    folder : Path
        Where the files are; made when the first piece is kept.
    made_with : mapping
        What else every piece depends on, such as the versions of packages.

    Examples
    --------
    >>> kept = FinishedRunFolder(Path("out/.runs"), {"gridcommons": "0.1.0"})
    >>> kept.save({"scenario": "storage"}, {"p_kw": np.array([1.0, 2.0])})
    >>> kept.load({"scenario": "storage"})["p_kw"].tolist(), kept.load({"scenario": "other"}), kept.taken
    ([1.0, 2.0], None, 1)
    >>> kept.clear()
    """

    def __init__(self, folder: Path, made_with: Mapping[str, Any]) -> None:
        self.folder = folder
        self._made_with = dict(made_with)
        self.taken = 0
        self._own: set[Path] = set()

    def load(self, key: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]] | None:
        """The arrays kept under a key; None where there are none that can be read."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            # A damaged file is no answer: the piece is computed anew and written over it.
            return None
        self.taken += 1
        self._own.add(path)
        return found

    def save(self, key: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep arrays under a key, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=f"{os.getpid()}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **dict(arrays))
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, self._path(key))
        self._own.add(self._path(key))

    def clear(self) -> None:
        """Forget the pieces that this run has kept or taken; those of another run stay."""
        dead = [p for p in self.folder.glob("*.part") if not is_alive(int(p.name.partition(".")[0]))]
        for path in [*self._own, *dead]:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # another run's pieces are still in it, or it was never made
            self.folder.rmdir()

    def _path(self, key: Mapping[str, Any]) -> Path:
        text = json_text({"key": key, "made_with": self._made_with})
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.npz"
