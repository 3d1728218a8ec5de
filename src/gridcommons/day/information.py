"""Who knows what, and when: forecasts, and measurements once their interval is over.

Reality is kept here and nowhere else. A stage is handed what was known at its gate; an interval that is not
over yet is a forecast, and the error that it will have enters it only by what was measured before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridcommons.day.uncertainty import Errors
from gridcommons.model.grid import FloatArray
from gridcommons.model.profiles import Profiles


class Information:
    """Everything that will be known of a day, handed out as it becomes known.

    Parameters
    ----------
    forecast : Profiles
        What the study says: the forecast of the day before.
    errors : Errors
        By how much reality will differ.
    """

    def __init__(self, forecast: Profiles, errors: Errors) -> None:
        self._forecast = forecast
        self._errors = errors

    def seen(self, minute: int) -> Profiles:
        """Profiles as they are known at a minute from the start of the window.

        An interval that is over is as it was measured; the others as the newest measurement lets expect.
        """
        time = self._forecast.time
        done = int(np.clip(minute // time.step_minutes, 0, time.steps))
        known = self._errors.path.copy()
        last = known[:, done - 1] if done else np.zeros(len(known))
        ahead = np.arange(1, time.steps - done + 1)
        known[:, done:] = last[:, None] * self._errors.memory**ahead
        return self._with(known)

    def nowcast(self) -> Profiles:
        """Each interval as it is expected at its own start, from the interval before it."""
        path = self._errors.path
        known = np.zeros_like(path)
        known[:, 1:] = self._errors.memory * path[:, :-1]
        return self._with(known)

    def meters(self) -> Profiles:
        """Every interval as it was, for whom the day is over."""
        return self.seen(self._forecast.time.steps * self._forecast.time.step_minutes)

    def _with(self, known: FloatArray) -> Profiles:
        errors, columns = self._errors, self._forecast.columns
        base = np.array([columns[name] for name in errors.column]).reshape(known.shape)
        moved = dict(zip(errors.column, errors.of(base, known), strict=True))
        # Reactive power goes with the power that it belongs to.
        for name in errors.column:
            reactive = f"{name}.q_kvar"
            if reactive in columns:
                share = np.divide(
                    moved[name], columns[name], out=np.ones_like(base[0]), where=columns[name] > 0
                )
                moved[reactive] = columns[reactive] * share
        return replace(self._forecast, columns={**columns, **moved})
