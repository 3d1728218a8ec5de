"""Joins sections of pandapower's Schutterwald network behind the station that supplies the region.

``lv_schutterwald`` has low-voltage sections that are islands with a source each; ``mv_oberrhein`` is the
medium-voltage network of the same region with its 110/20 kV stations. Both come with pandapower.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

CABLE = "NA2XS2Y 1x185 RM/25 12/20 kV"
"""The cable that most lines of ``mv_oberrhein`` have."""
HIGH_BUS, BUSBAR, STATION = "110 kV", "20 kV busbar", "110/20 kV station"
_EARTH_KM = 6371.0


def join_behind_station(net: Any) -> Any:
    """One network: the sections' own, cables from the nearest station, its transformer and a source.

    Parameters
    ----------
    net : pandapowerNet
        Sections of ``lv_schutterwald``, each with a source at the upper side of its transformer.

    Returns
    -------
    pandapowerNet
        The same network, changed: a 20 kV cable as long as the straight line from the station to each
        section; the station's transformer as ``mv_oberrhein`` has it; one source at 110 kV that holds
        the voltage that the sections' sources held.
    """
    import pandapower

    region = pandapower.networks.mv_oberrhein()
    ends = sorted({int(bus) for bus in net.ext_grid.bus})
    vm_pu = float(net.ext_grid.vm_pu.iloc[0])
    station = _nearest_station(region, np.mean([_place(net, bus) for bus in ends], axis=0))
    at = _place(region, int(region.trafo.at[station, "lv_bus"]))
    high = pandapower.create_bus(net, 110.0, name=HIGH_BUS, geodata=tuple(at))
    busbar = pandapower.create_bus(net, 20.0, name=BUSBAR, geodata=tuple(at))
    row = region.trafo.loc[station].drop(["hv_bus", "lv_bus", "name", "std_type"])
    std_type = str(region.trafo.at[station, "std_type"])
    index = pandapower.create_transformer(net, high, busbar, std_type, name=STATION)
    for column, value in row.items():
        if column in net.trafo.columns:
            net.trafo.at[index, column] = value
    net.ext_grid = net.ext_grid.iloc[:0]
    pandapower.create_ext_grid(net, high, vm_pu=vm_pu, name=HIGH_BUS)
    for end in ends:
        place, name = _place(net, end), f"cable to {net.bus.at[end, 'name']}"
        line = pandapower.create_line(net, busbar, end, distance_km(at, place), CABLE, name=name)
        net.line.at[line, "geo"] = json.dumps({"coordinates": [list(at), list(place)], "type": "LineString"})
    return net


def distance_km(here: Any, there: Any) -> float:
    """Length of the straight line between two places, each (longitude, latitude) in degrees [km]."""
    east, north = np.deg2rad(np.subtract(there, here))
    middle = np.deg2rad((here[1] + there[1]) / 2.0)
    return float(_EARTH_KM * np.hypot(east * np.cos(middle), north))


def _place(net: Any, bus: int) -> tuple[float, float]:
    longitude, latitude = json.loads(net.bus.at[bus, "geo"])["coordinates"][:2]
    return float(longitude), float(latitude)


def _nearest_station(region: Any, place: Any) -> int:
    """Index of the high-voltage transformer nearest to a place."""
    stations = [int(index) for index in region.trafo.index]
    ends = [_place(region, int(region.trafo.at[index, "lv_bus"])) for index in stations]
    return stations[int(np.argmin([distance_km(place, end) for end in ends]))]
