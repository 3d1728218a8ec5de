"""A MATPOWER case as a pandapower network, so that ``new`` can write one as a study's grid file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gridcommons.adapters.grids.matpower import MatpowerCase, rated_current_ka
from gridcommons.model.errors import Problem, StudyError

F_HZ = 50.0
"""Frequency of the network made; line charging is given at it, so it decides nothing."""
UNLIMITED_MVA = 1e5
"""Rated power of a transformer to which the case gives no rating."""


def network_of_case(case: MatpowerCase) -> Any:
    """Return the case as a pandapower network, electrically the same.

    A branch with a ratio, a shift or two nominal voltages becomes a transformer, the charging of such
    a branch shunts at its ends; all others become lines of 1 km.

    Parameters
    ----------
    case : MatpowerCase
        The case.

    Returns
    -------
    pandapowerNet
        The network.

    Raises
    ------
    StudyError
        If a transformer out of service has line charging, which has no counterpart in pandapower.
    """
    import pandapower

    net = pandapower.create_empty_network(name=case.file.removesuffix(".m"), f_hz=F_HZ)
    for name, vn_kv in zip(case.bus_names, case.bus["BASE_KV"].tolist(), strict=True):
        pandapower.create_bus(net, vn_kv=vn_kv, name=name)
    _add_injections(net, case)
    for at, is_transformer in enumerate(case.is_transformer.tolist()):
        if is_transformer:
            _add_transformer(net, case, at)
        else:
            _add_line(net, case, at)
    return net


def _add_injections(net: Any, case: MatpowerCase) -> None:
    import pandapower

    bus, gen = case.bus, case.gen
    for at, name in enumerate(case.bus_names):
        if bus["PD"][at] != 0 or bus["QD"][at] != 0:
            pandapower.create_load(net, at, float(bus["PD"][at]), float(bus["QD"][at]), name=f"load {name}")
        if bus["GS"][at] != 0 or bus["BS"][at] != 0:
            pandapower.create_shunt(net, at, q_mvar=-float(bus["BS"][at]), p_mw=float(bus["GS"][at]))
    for at, held in zip(range(len(case.gen_bus)), case.is_held.tolist(), strict=True):
        where = int(case.gen_bus[at])
        name = case.bus_names[where]
        if held:
            vm_pu, va_degree = float(gen["VG"][at]), float(bus["VA"][where])
            pandapower.create_ext_grid(net, where, vm_pu, va_degree, name=f"source {name}")
        else:
            p_mw, q_mvar = float(gen["PG"][at]), float(gen["QG"][at])
            pandapower.create_sgen(net, where, p_mw, q_mvar, name=f"generator {name}")


def _add_line(net: Any, case: MatpowerCase, at: int) -> None:
    import pandapower

    branch = case.branch
    base_ohm = float(case.bus["BASE_KV"][case.from_bus[at]]) ** 2 / case.base_mva
    rating_ka = float(rated_current_ka(case, case.from_bus)[at])
    pandapower.create_line_from_parameters(
        net,
        int(case.from_bus[at]),
        int(case.to_bus[at]),
        length_km=1.0,
        r_ohm_per_km=float(branch["BR_R"][at]) * base_ohm,
        x_ohm_per_km=float(branch["BR_X"][at]) * base_ohm,
        c_nf_per_km=float(branch["BR_B"][at]) / base_ohm / (2 * math.pi * F_HZ) * 1e9,
        max_i_ka=rating_ka if math.isfinite(rating_ka) else math.nan,
        name=f"{case.bus_names[case.from_bus[at]]}-{case.bus_names[case.to_bus[at]]}",
        in_service=bool(branch["BR_STATUS"][at] != 0),
    )


def _add_transformer(net: Any, case: MatpowerCase, at: int) -> None:
    import pandapower

    branch, vn_kv = case.branch, case.bus["BASE_KV"]
    hv, lv = int(case.from_bus[at]), int(case.to_bus[at])
    name = f"{case.bus_names[hv]}-{case.bus_names[lv]}"
    on, ratio = bool(branch["BR_STATUS"][at] != 0), float(case.ratio[at])
    z = complex(branch["BR_R"][at], branch["BR_X"][at]) / case.base_mva
    rated_mva = float(branch["RATE_A"][at]) or UNLIMITED_MVA
    half_q_mvar = -float(branch["BR_B"][at]) / 2 * case.base_mva
    if half_q_mvar and not on:
        raise StudyError(
            [Problem(case.file, "charging of a branch out of service", "none", table="mpc.branch", row=name)]
        )
    for bus, q_mvar in ((hv, half_q_mvar / ratio**2), (lv, half_q_mvar)):
        if q_mvar:
            pandapower.create_shunt(net, bus, q_mvar=q_mvar, name=f"charging of {name}")
    pandapower.create_transformer_from_parameters(
        net,
        hv,
        lv,
        sn_mva=rated_mva,
        vn_hv_kv=float(vn_kv[hv]) * ratio,
        vn_lv_kv=float(vn_kv[lv]),
        vk_percent=float(np.copysign(abs(z), z.imag)) * rated_mva * 100,
        vkr_percent=z.real * rated_mva * 100,
        pfe_kw=0.0,
        i0_percent=0.0,
        shift_degree=float(branch["SHIFT"][at]),
        name=name,
        in_service=on,
    )
