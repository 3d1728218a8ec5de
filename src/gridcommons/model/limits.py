"""What the grid must not exceed: voltage bands, loadings, angle bands; constant or changing in time."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from gridcommons.model.grid import FloatArray


@dataclass(frozen=True, eq=False)
class Limits:
    """Limits by bus and branch. The first axis is 1 where a limit is constant, else (steps,).

    Parameters
    ----------
    vm_min_pu, vm_max_pu : (1 or steps, buses)
        Voltage band [pu].
    va_min_degree, va_max_degree : (1 or steps, buses)
        Angle band against the source [degree]; infinite where not limited.
    loading_max_percent : (1 or steps, branches)
        Current against rating [%], in both directions; infinite where not limited.
    va_diff_min_degree, va_diff_max_degree : (1 or steps, branches)
        Band of the angle between the ends of a branch, from minus to [degree].
    """

    vm_min_pu: FloatArray
    vm_max_pu: FloatArray
    va_min_degree: FloatArray
    va_max_degree: FloatArray
    loading_max_percent: FloatArray
    va_diff_min_degree: FloatArray
    va_diff_max_degree: FloatArray

    def window(self, start: int, stop: int) -> Limits:
        """The limits of steps ``start`` to ``stop``, every array of shape (stop − start, things)."""
        count = stop - start
        parts = []
        for column in fields(self):
            values: FloatArray = getattr(self, column.name)
            rows = values[start:stop] if len(values) > 1 else values
            parts.append(np.broadcast_to(rows, (count, values.shape[1])))
        return Limits(*parts)

    def with_margin(self, share: float) -> Limits:
        """Limits that leave a share of each loading, and of each voltage band, for what nobody can know."""
        room_pu = 0.5 * share * (self.vm_max_pu - self.vm_min_pu)
        return replace(
            self,
            vm_min_pu=self.vm_min_pu + room_pu,
            vm_max_pu=self.vm_max_pu - room_pu,
            loading_max_percent=self.loading_max_percent * (1.0 - share),
        )


LIMIT_NAMES = {
    "bus": ("vm_min_pu", "vm_max_pu", "va_min_degree", "va_max_degree"),
    "branch": ("loading_max_percent", "va_diff_min_degree", "va_diff_max_degree"),
}
"""Which limits a bus and a branch can have; the words of ``limits.csv``."""
