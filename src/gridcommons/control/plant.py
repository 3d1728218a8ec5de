"""Everything behind the meters: arrays that the compiled rule reads and writes, and what it computes with.

Arrays over time stand row by row, (devices, steps), because the rule follows one household through time.
Whoever moves a field here clears numba's cache: it sees edits of ``dispatch.py`` alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridcommons.model.grid import FloatArray, IntArray

UInt8Array = npt.NDArray[np.uint8]


class Plant(NamedTuple):
    """What stands behind the meters.

    Series have shape (devices, steps), ``load`` (households, steps), ratings (households,). A household
    without a device has −1 in its index and 0 in its ratings. ``load_kvar`` has one step where it is
    constant. ``car_plugged`` is the number of a household's cars that are there, parts of an interval
    as parts of a car. Several cars or pumps of a household count as one of their summed rating.
    """

    step_hours: float
    load_kw: FloatArray
    load_kvar: FloatArray
    generation_kw: FloatArray
    generation_of: IntArray
    car_kw: FloatArray
    car_plugged: FloatArray
    car_of: IntArray
    car_max_kw: FloatArray
    car_count: FloatArray
    car_tan: FloatArray
    heat_kw: FloatArray
    cop: FloatArray
    pump_of: IntArray
    pump_max_kw: FloatArray
    pump_tan: FloatArray
    battery_charge_kw: FloatArray
    battery_discharge_kw: FloatArray
    battery_low_kwh: FloatArray
    battery_high_kwh: FloatArray
    charge_share: FloatArray
    discharge_share: FloatArray
    battery_tan: FloatArray
    tank_kwh: FloatArray


BY_DEVICE, BY_HOME = 1, 2
"""What ``Signals.law`` limits."""


class Signals(NamedTuple):
    """What measures ask of the devices. Shape (steps,) unless said; infinity asks nothing.

    ``car_cap_kw`` is a cap a car [kW], ``heat_cap_share`` a cap of the pump's output as a share of its
    maximum. ``law`` is ``BY_DEVICE`` where §14a EnWG limits each car to ``car_law_kw`` and the pump to
    ``pump_law_kw`` (households, infinite where it is too small for the law), ``BY_HOME`` where it limits
    them together to ``home_law_kw`` (households). Where
    ``cheap`` (households, steps) is 1, stores charge from the grid; where ``wait`` is 1, they do not
    discharge. ``heat_return_steps`` is the time over which heat that was put off is returned.
    """

    car_cap_kw: FloatArray
    heat_cap_share: FloatArray
    law: UInt8Array
    car_law_kw: FloatArray
    pump_law_kw: FloatArray
    home_law_kw: FloatArray
    cheap: UInt8Array
    wait: UInt8Array
    heat_return_steps: int


class State(NamedTuple):
    """What one interval hands to the next, shape (households,) each; one household's are plain numbers.

    Energy in battery and tank [kWh], charging and heat put off [kWh], the pace at which heat is
    returned [kW], and the intervals that are left for it.
    """

    battery_kwh: FloatArray
    tank_kwh: FloatArray
    car_debt_kwh: FloatArray
    heat_debt_kwh: FloatArray
    return_kw: FloatArray
    return_steps: FloatArray


class Home(NamedTuple):
    """Ratings of one household's devices, as in ``Plant``, and its caps under §14a EnWG."""

    step_hours: float
    car_max_kw: float
    car_count: float
    pump_max_kw: float
    battery_charge_kw: float
    battery_discharge_kw: float
    battery_low_kwh: float
    battery_high_kwh: float
    charge_share: float
    discharge_share: float
    tank_kwh: float
    car_law_kw: float
    pump_law_kw: float
    home_law_kw: float
    heat_return_steps: float


class Now(NamedTuple):
    """What an interval brings to one household: powers [kW], and what is asked of it."""

    load_kw: float
    generation_kw: float
    car_kw: float
    car_plugged: float
    heat_kw: float
    cop: float
    car_cap_kw: float
    heat_cap_share: float
    law: int


class Energies(NamedTuple):
    """The ``State`` of one household."""

    battery_kwh: float
    tank_kwh: float
    car_debt_kwh: float
    heat_debt_kwh: float
    return_kw: float
    return_steps: float


class AtRest(NamedTuple):
    """One household's interval before its stores are set [kW].

    ``car_kw`` and ``heat_kw`` are what is served, ``forced_kw`` heat that the tank must give, ``put_off_kw``
    heat that a cap puts off (negative where it comes back), ``unserved_kw`` heat that nobody can give;
    ``residual_kw`` is the net power with stores at rest. The rooms say how far each store can go; those of
    the tank are heat.
    """

    car_kw: float
    heat_kw: float
    forced_kw: float
    put_off_kw: float
    unserved_kw: float
    cop: float
    residual_kw: float
    battery_up_kw: float
    battery_down_kw: float
    tank_up_kw: float
    tank_down_kw: float


class Interval(NamedTuple):
    """``AtRest`` of all households as far as a grid-wide program needs it, shape (households,) each."""

    residual_kw: FloatArray
    cop: FloatArray
    battery_up_kw: FloatArray
    battery_down_kw: FloatArray
    tank_up_kw: FloatArray
    tank_down_kw: FloatArray


class Worth(NamedTuple):
    """What the costs of an interval make worthwhile, 1 or 0."""

    battery_from_grid: int
    tank_from_grid: int
    battery_to_load: int
    tank_to_load: int


class Record(NamedTuple):
    """What is written down.

    Net power (households, steps), parts (parts, steps) and sums (households, sums). ``reach`` (households, 4)
    keeps the lowest and highest energy of battery and tank [kWh]; ``clash`` (households,) counts intervals in
    which a tank charged and emptied at once (a battery's power has one sign). ``price`` (2, steps) is that of
    import and of feed-in.
    """

    p_kw: FloatArray
    q_kvar: FloatArray
    parts: FloatArray
    sums: FloatArray
    reach: FloatArray
    clash: IntArray
    price: FloatArray
