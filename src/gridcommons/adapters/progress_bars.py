"""Progress bars on the terminal, for whatever takes longer than a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

PATIENCE_S = 2.0
"""How long a person waits without being told why [s]."""


class ProgressBars:
    """Bars on standard error, once waiting has lasted ``patience_s``; silent where no terminal is.

    Satisfies the ``Progress`` port. Bars may be opened inside each other.

    Parameters
    ----------
    console : Console, optional
        Where to draw; standard error by default.
    patience_s : float
        Time until a bar is drawn [s].
    """

    def __init__(self, console: Console | None = None, patience_s: float = PATIENCE_S) -> None:
        self._console = Console(stderr=True) if console is None else console
        self._patience_s = patience_s
        self._open = 0
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=self._console, transient=True)
        self._timer: Timer | None = None

    @contextmanager
    def __call__(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Open a bar of ``total`` units; the function given back advances it."""
        bar = self._bars.add_task(label, total=total)
        self._begin()
        try:
            yield lambda advance: self._bars.advance(bar, advance)
        finally:
            self._end()
            self._bars.remove_task(bar)

    @contextmanager
    def waiting(self, label: str) -> Iterator[None]:
        """A bar for work of unknown length."""
        with self(label, None):
            yield

    def _begin(self) -> None:
        self._open += 1
        if self._open == 1 and self._console.is_terminal:
            # A timer and not a look at the clock on each advance: a first unit may be a long one.
            self._timer = Timer(self._patience_s, self._bars.start)
            self._timer.daemon = True
            self._timer.start()

    def _end(self) -> None:
        self._open -= 1
        if self._open == 0 and self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._timer = None
            self._bars.stop()
