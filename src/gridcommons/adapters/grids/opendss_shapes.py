"""Load shapes of an OpenDSS circuit: how a load follows the time.

Source: Electric Power Research Institute, "OpenDSS Reference Guide", Loadshape. The first value belongs to
the first interval, and the shape begins anew where it ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcommons.adapters.grids.opendss_elements import Circuit, Element
from gridcommons.adapters.grids.opendss_loads import FeederLoad
from gridcommons.adapters.grids.opendss_text import Parameter, file_in, read_text_file, split_parameters
from gridcommons.adapters.problems import Place
from gridcommons.model.errors import did_you_mean
from gridcommons.model.grid import FloatArray

_KNOWN = (
    "npts interval mult mean stddev csvfile qmult useactual pmax qmax sinterval minterval pbase qbase pmult "
    "memorymapping interpolation"
)
_MINUTES = {"interval": 60.0, "minterval": 1.0, "sinterval": 1.0 / 60.0}
DEFAULT = "default"
"""Name of the shape that every circuit has."""
_DEFAULT_DAY = (
    (0.677, 0.6256, 0.6087, 0.5833, 0.58028, 0.6025, 0.657, 0.7477, 0.832, 0.88, 0.94, 0.989)
    + (0.985, 0.98, 0.9898, 0.999, 1.0, 0.958, 0.936, 0.913, 0.876, 0.876, 0.828, 0.756)
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class LoadShape:
    """A load shape.

    Parameters
    ----------
    p, q : (values,)
        Multipliers of the load's power, or the power itself [kW], [kvar]; ``q`` is empty where it has none.
    step_minutes : float
        Length of an interval [min].
    is_actual : bool
        Whether the values are powers.
    """

    p: FloatArray
    q: FloatArray
    step_minutes: float
    is_actual: bool

    def powers(self, load: FeederLoad) -> tuple[FloatArray, FloatArray]:
        """Active and reactive power of a load in each interval, shape (values,) [kW], [kvar].

        Where the values are powers and give no reactive one, it follows from the power factor of the load,
        and is 0 for a load that is given by kW and kvar: so says OpenDSS.
        """
        if not self.is_actual:
            return load.p_kw * self.p, load.q_kvar * (self.q if len(self.q) else self.p)
        if len(self.q):
            return self.p, self.q
        share = load.q_kvar / load.p_kw if load.has_power_factor and load.p_kw else 0.0
        return self.p, self.p * share


def read_shape(circuit: Circuit, load: FeederLoad) -> LoadShape | None:
    """The shape that a load follows; None, and a problem, where there is none such."""
    element = circuit.find("loadshape", load.shape)
    if element is not None:
        return _shape(element)
    if load.shape == DEFAULT:
        return LoadShape(np.array(_DEFAULT_DAY), np.zeros(0), 60.0, False)
    names = [shape.name for shape in circuit.of("loadshape")]
    load.element.refuse(
        f"with the shape {load.shape!r}", "a loadshape of the script", did_you_mean(load.shape, names)
    )
    return None


def _shape(element: Element) -> LoadShape | None:
    element.refuse_others(_KNOWN)
    p = next((each for name in ("pmult", "mult", "csvfile") if (each := element.last(name))), None)
    if p is None:
        element.refuse("without values", "mult = [...] or mult = (file = ...)")
        return None
    q, actual = element.last("qmult"), element.last("useactual")
    count = element.count("npts", 0) if element.last("npts") else None
    p_values = _values(element, p)[:count]
    q_values = _values(element, q)[:count] if q else np.zeros(0)
    if not len(p_values) or (q and len(q_values) != len(p_values)):
        element.refuse(f"with {len(p_values)} and {len(q_values)} values", "values, and as many of qmult")
        return None
    is_actual = bool(actual and actual.flag(element.problems))
    return LoadShape(p_values, q_values, _step_minutes(element), is_actual)


def _step_minutes(element: Element) -> float:
    set_last = [setting for setting in element.settings if setting.name in _MINUTES]
    step = set_last[-1].number(element.problems) * _MINUTES[set_last[-1].name] if set_last else 60.0
    if not step > 0.0:
        element.refuse(f"with steps of {step:g} min", "equal steps above 0: stamps are not modelled")
        return 60.0
    return step


def _values(element: Element, setting: Parameter) -> FloatArray:
    """Values of a list, or of a column of the file that it names."""
    options = {each.name: each for each in split_parameters(setting.text, setting.place, element.problems)}
    named = options.get("file") or options.get("csvfile") or (setting if setting.name == "csvfile" else None)
    if named is None:
        return setting.numbers(element.problems)
    column = int(options["col"].number(element.problems)) if "col" in options else 1
    has_header = "header" in options and options["header"].flag(element.problems)
    path = file_in(setting.folder, named.text)
    rows = read_text_file(path, setting.place, element.problems).splitlines()
    values = []
    for number, row in enumerate(rows[has_header:], 1 + has_header):
        words = Parameter("", row, False, setting.place).words()
        if not words:
            continue
        try:
            values.append(float(words[column - 1]))
        except (ValueError, IndexError):
            place = Place(path.name, row=number)
            element.problems.add(place, repr(row), f"a number in column {column}")
            break
    return np.array(values)
