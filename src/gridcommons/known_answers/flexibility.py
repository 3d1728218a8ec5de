"""Known answers of flexibility: printed bids and sensitivities, and laws that have a closed form.

Printed figures are of SMART-MLA, final report of project 64018-0302, 2022.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gridcommons.flexibility.central_clearing import clear_centrally
from gridcommons.flexibility.check import flow_of, voltage_gradients
from gridcommons.flexibility.check import view_grid as view_study
from gridcommons.flexibility.clearing import Clearing, clear_market
from gridcommons.flexibility.delivery import verify_delivery
from gridcommons.flexibility.grid_operator import GridOperator
from gridcommons.flexibility.market_operator import ClearingSettings
from gridcommons.flexibility.reprofiling import cheapest_call
from gridcommons.known_answers.answer import KnownAnswer
from gridcommons.known_answers.chains import chain_of_lines, voltage_band
from gridcommons.model.assets import EvCharger
from gridcommons.model.flexibility import LimitRows, Offer
from gridcommons.model.grid import FloatArray
from gridcommons.model.members import Community
from gridcommons.model.profiles import Profiles
from gridcommons.model.study import Study
from gridcommons.model.time import TimeAxis
from gridcommons.optimisation.chain_plans import SharedLimits, plan_shared
from gridcommons.optimisation.devices.ev_charger import charging_chains

BIDS = Path(__file__).parents[1] / "reference" / "rbts4_market"
REPORT = "SMART-MLA 2022, table 5.2.4.1"
PATHS_KM = {"LP23": (0.8, 0.8, 0.8, 0.8, 0.75), "LP37": (0.75, 0.6, 0.75, 0.75, 0.75, 0.8)}
"""Sections from the substation to two load points of RBTS bus 4 (Allan et al. 1991)."""
SENSITIVITY_PU_PER_KW = {"LP23": 8.488e-6, "LP37": 9.455e-6}
NEEDED_KW = {("L2", 6): 132.78, ("L7", 6): 378.24, ("L7", 16): 86.15}
BEHIND = {"L2": ("LP1",), "L7": ("LP4", "LP5")}


def flexibility_answers() -> Iterator[KnownAnswer]:
    """All of them, computed now."""
    yield from _sensitivities()
    yield from _printed_tables()
    yield from _printed_market()
    yield from _tariff_of_one_car()
    yield from _re_profiling()
    yield from _delivery()


def _sensitivities() -> Iterator[KnownAnswer]:
    """Fall of the voltage at the end of a line per kW drawn there, with nothing else connected."""
    for point, lengths_km in PATHS_KM.items():
        study = _line(lengths_km)
        end = np.array([len(lengths_km)])
        nothing = np.zeros((len(lengths_km) + 1, 1))
        state = flow_of(view_study(study, "helm"), nothing, nothing)
        fall = -float(voltage_gradients(state, np.array([0]), end, end)[0, 0])
        expected = SENSITIVITY_PU_PER_KW[point]
        source = "SMART-MLA 2022, section 5.2.5, recomputed"
        yield KnownAnswer(f"RBTS bus 4, voltage of {point} per kW", fall, expected, 1e-9, "pu/kW", source)


def _line(lengths_km: Sequence[float]) -> Study:
    """A line of sections at 11 kV, 0.26 + j 0.027 Ω/km, one interval."""
    grid = chain_of_lines(np.array(lengths_km), complex(0.26, 0.027), 11.0)
    time = TimeAxis(datetime(2021, 1, 20, tzinfo=UTC), 60, 1)
    limits = voltage_band(grid, 0.9, 1.1)
    return Study("line", "DKK", 1, grid, Community((), ()), Profiles(time), limits)


def printed_offers() -> list[Offer]:
    """The bids of the report, an offer for each aggregator and load point over its hours."""
    flexibility: dict[tuple[str, str], FloatArray] = {}
    payback: dict[tuple[str, str], FloatArray] = {}
    price: dict[tuple[str, str], float] = {}
    for name, table in (("bids", flexibility), ("payback", payback)):
        with (BIDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                key = (row["aggregator"], row["bus"])
                hours = table.setdefault(key, np.zeros(25))
                hours[int(row["step"])] += float(row["flexibility_kw" if name == "bids" else "payback_kw"])
                if name == "bids":
                    price[key] = float(row["price_per_kwh"])
    return [
        Offer(
            offer=f"{aggregator} at {bus}",
            aggregator=aggregator,
            bus=bus,
            price_per_kwh=price[aggregator, bus],
            flexibility_kw=flexibility[aggregator, bus],
            payback_kw=payback[aggregator, bus],
        )
        for aggregator, bus in flexibility
    ]


def printed_limits(needed_kw: Mapping[tuple[str, int], float]) -> LimitRows:
    """What overloads ask of the load points behind each line, by line and hour [kW]."""
    points = ("LP1", "LP4", "LP5")
    return LimitRows(
        points,
        np.array([[float(point in BEHIND[line]) for point in points] for line, _ in needed_kw]),
        -np.array(list(needed_kw.values())),
        np.array([hour for _, hour in needed_kw]),
        tuple(line for line, _ in needed_kw),
        ("loading_max_percent",) * len(needed_kw),
    )


def _printed_tables() -> Iterator[KnownAnswer]:
    """What the printed bids come to at the printed shares; the report's text has other sums in two places."""
    with (BIDS / "taken.csv").open(encoding="utf-8", newline="") as file:
        taken = list(csv.DictReader(file))

    def total(column: str, purpose: str = "", step: str = "") -> float:
        mine = [row for row in taken if purpose in ("", row["purpose"]) and step in ("", row["step"])]
        kw = [float(row["share"]) * float(row["flexibility_kw"]) for row in mine]
        if column == "cost":
            kw = [part * float(row["price_per_kwh"]) for part, row in zip(kw, mine, strict=True)]
        return sum(kw)

    for (line, hour), needed_kw in NEEDED_KW.items():
        name = f"printed shares of bids behind {line} at t{hour}"
        yield KnownAnswer(name, total("kw", line, str(hour)), needed_kw, 0.01, "kW", REPORT)
    source = "SMART-MLA 2022, tables 5.2.4.1; 242.24 is possible"
    yield KnownAnswer(
        "printed choice behind L7 at t6, cost", total("cost", "L7", "6"), 243.69, 0.01, "DKK", source
    )
    source = "SMART-MLA 2022, table 5.2.5.1; its text says 879.208"
    yield KnownAnswer(
        "printed bids against low voltages", total("kw", "voltages"), 865.24, 0.01, "kW", source
    )
    source = "SMART-MLA 2022, its tables; its settlement says 1136.741"
    yield KnownAnswer("printed bids, cost of all", total("cost"), 968.98, 0.02, "DKK", source)


def _printed_market() -> Iterator[KnownAnswer]:
    offers, rows = printed_offers(), printed_limits(NEEDED_KW)
    how = ClearingSettings(bus=rows.bus, step_hours=1.0, shares="per_hour")
    central = clear_centrally(offers, rows, 10.0, how)
    for (line, hour), needed_kw in NEEDED_KW.items():
        bought = _bought(offers, central, line, hour)
        yield KnownAnswer(f"bids behind {line} at t{hour}, taken", bought[0], needed_kw, 0.01, "kW", REPORT)
    share = dict(zip(central.offers, central.shares, strict=True))
    for name, hour, printed in (("ag2 at LP1", 6, 0.562), ("ag3 at LP4", 16, 0.230)):
        computed = float(share[name][hour])
        yield KnownAnswer(f"bid of {name}, share at t{hour}", computed, printed, 0.002, "", REPORT)
    overload = clear_centrally(offers, printed_limits({("L7", 6): 378.2}), 10.0, how)
    _, cost = _bought(offers, overload, "L7", 6)
    source = "least cost of the printed overload, 378.2 kW; the printed choice costs 243.69"
    yield KnownAnswer("bids behind L7 at t6, cost", cost, 242.24, 0.01, "DKK", source)
    between = clear_market(offers, GridOperator(rows, 10.0, 1.0), how)
    gap = between.cost / central.cost - 1.0
    yield KnownAnswer("the same bids between two parties, cost above", gap, 0.0, 1e-3, "", "central program")


def _bought(offers: Sequence[Offer], clearing: Clearing, line: str, hour: int) -> tuple[float, float]:
    """What is taken behind a line at an hour, and its cost at the bids' own prices [kW], [DKK]."""
    by_id = {offer.offer: offer for offer in offers}
    kw = cost = 0.0
    for name, share in zip(clearing.offers, clearing.shares, strict=True):
        offer = by_id[name]
        if offer.bus in BEHIND[line]:
            taken_kw = float(share[hour] * offer.flexibility_kw[hour])
            kw, cost = kw + taken_kw, cost + offer.price_per_kwh * taken_kw
    return kw, cost


def _tariff_of_one_car() -> Iterator[KnownAnswer]:
    """A car that needs 6 kWh in two hours, 0.2 and 0.3 a kWh, B = 0.02, behind 3 kW.

    Alone it takes 5.5 and 0.5 kW. At 3 kW both hours have 3 kW, so μ = 0.3 − 0.2; capped at ρ = 0.05 the
    difference falls to (0.1 − 0.05)/0.02 = 2.5 kW, and 1.25 kW are left over.
    """
    for cap, price, left_kw, revenue in ((2.0, 0.1, 0.0, 0.3), (0.05, 0.05, 1.25, 0.15)):
        mu, slack_kw = _two_hours(cap)
        source = "closed form"
        yield KnownAnswer(f"one car behind 3 kW, cap {cap:g}: price", mu, price, 1e-6, "1/kWh", source)
        yield KnownAnswer(f"one car behind 3 kW, cap {cap:g}: left", slack_kw, left_kw, 1e-5, "kW", source)
        yield KnownAnswer(
            f"one car behind 3 kW, cap {cap:g}: revenue μF", 3.0 * mu, revenue, 1e-5, "", source
        )
    printed = 0.40709 * 3000.0 + 0.00268 * 3000.0 + 0.06944 * 1200.0
    name = "printed revenue of case 2 as Σ μF"
    yield KnownAnswer(name, printed, 1312.65891, 0.03, "DKK", "SMART-MLA 2022, table 5.1.2.3.3")


def _two_hours(cap: float) -> tuple[float, float]:
    """Dual of the first hour's limit, and what is left over [kW]."""
    car = EvCharger(
        asset="car",
        member="home",
        charge_max_kw=11.0,
        energy_kwh=20.0,
        soc_min_share=0.0,
        soc_max_share=1.0,
        departure_soc_share=0.5,
    )
    time = TimeAxis(datetime(2021, 1, 20, tzinfo=UTC), 60, 2)
    chains = charging_chains([car], Profiles(time, {"car.drive_kwh": np.array([0.0, 6.0])}))
    one: FloatArray = np.ones((1, 1))
    limits = SharedLimits(np.array([0]), one, np.array([0]), np.array([3.0]), one, cap)
    plan = plan_shared(chains, np.array([0.02]), np.array([[0.2, 0.3]]), limits)
    return float(plan.mu[0]), float(plan.slack_kw[0])


def _re_profiling() -> Iterator[KnownAnswer]:
    """5 kW too much above 10 customers with e = 0.05 kW: π = s/Σe = 10, cost s²/Σe = 50."""
    response = np.array([10 * 0.05])
    quantity_kw, _ = cheapest_call(np.ones((1, 1)), np.array([5.0]), response, np.array([50.0]))
    price = float(quantity_kw[0] / response[0])
    yield KnownAnswer("re-profiling, price of 5 kW", price, 10.0, 1e-6, "1/kWh", "π = s/Σe")
    yield KnownAnswer("re-profiling, its cost", price * float(quantity_kw[0]), 50.0, 1e-5, "", "s²/Σe")


def _delivery() -> Iterator[KnownAnswer]:
    """Baseline 10, ordered 2, fee 7, penalty 11: what a metered load of 7 to 11 earns."""
    metered = np.array([7.0, 8.0, 9.0, 10.0, 11.0])
    delivered, missing = verify_delivery(np.full(5, 10.0), metered, np.full(5, 2.0))
    for load, earned, expected in zip(
        metered, 7.0 * delivered - 11.0 * missing, (14.0, 14.0, -4.0, -22.0, -33.0), strict=True
    ):
        source = "Shapeshifter specification 2025, settlement"
        yield KnownAnswer(f"delivery, {load:g} of 10 metered", float(earned), expected, 1e-9, "", source)
