"""What a study may say under ``[tasks.scheduling]``."""

from __future__ import annotations

from dataclasses import dataclass

MOST_GROWTH = 2.0
"""Most that the published step may grow by from round to round, as an exponent."""


@dataclass(frozen=True)
class Settings:
    """Settings of the task ``scheduling``.

    Parameters
    ----------
    horizon_hours : int
        How much is planned at once; a longer window is planned in such pieces, one after the other.
    mip_gap_share : float
        Share of its cost by which a schedule may be above the least possible.
    nodes_max : int
        Branches that the search for a schedule looks into at most; the best one by then is taken, and the
        summary tells by how much it may be above the least possible.
    shedding_price_per_kwh : float
        What a community loses by each kWh of its load that is not served.
    reactive_fee_per_kvarh : float
        c_Q: what a community pays for the reactive energy that it draws, and gets for what it injects.
    heat_peak_price_per_kw_day : float
        c_H,var: price of the highest heat drawn from the district network in each local day.
    heat_fee_per_day : float
        c_H,fix: fixed price of the connection to it.
    heat_import_max_kw : float, optional
        Most heat that a community draws from the district network; unlimited if absent.
    heat_export_max_kw : float, optional
        Most heat that it gives to it; unlimited if absent.
    imbalance_share : float
        What each kWh costs by which a community leaves the active power of its schedule while it answers, at
        a connection and either way, as a share of the energy price: its schedule is sold already.
    reactive_round : bool
        Whether the grid operator buys reactive power where a voltage is out of its band.
    rounds_max : int
        Most rounds of prices and answers.
    price_floor_per_kvarh : float
        λ_floor: what a step of the price is measured by where active power costs less.
    step_factors : list of 4 numbers
        c1 to c4 of the published step c1 (c2 + c3 e^(c4 k)), here for the share of the first need that is
        missing; it leads until two answers show how a community responds.
    price_tolerance_share : float
        How far above the least that clears an hour its price may stay.
    shortage_price_per_kvarh : float
        What a kvarh that is missing where the voltage is out is worth to the grid operator: prices rise until
        it is more.
    """

    horizon_hours: int = 24
    mip_gap_share: float = 1e-3
    nodes_max: int = 50
    shedding_price_per_kwh: float = 10.0
    reactive_fee_per_kvarh: float = 0.0
    heat_peak_price_per_kw_day: float = 0.0
    heat_fee_per_day: float = 0.0
    heat_import_max_kw: float | None = None
    heat_export_max_kw: float | None = None
    imbalance_share: float = 0.5
    reactive_round: bool = True
    rounds_max: int = 20
    price_floor_per_kvarh: float = 0.01
    step_factors: tuple[float, float, float, float] = (0.2, 1.0, 0.0, 0.0)
    price_tolerance_share: float = 0.02
    shortage_price_per_kvarh: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what makes no schedule."""
        above_zero = {
            "horizon_hours": self.horizon_hours,
            "rounds_max": self.rounds_max,
            "nodes_max": self.nodes_max,
            "shedding_price_per_kwh": self.shedding_price_per_kwh,
            "price_floor_per_kvarh": self.price_floor_per_kvarh,
            "shortage_price_per_kvarh": self.shortage_price_per_kvarh,
            "price_tolerance_share": self.price_tolerance_share,
        }
        not_negative = {
            "mip_gap_share": self.mip_gap_share,
            "reactive_fee_per_kvarh": self.reactive_fee_per_kvarh,
            "imbalance_share": self.imbalance_share,
            "heat_peak_price_per_kw_day": self.heat_peak_price_per_kw_day,
            "heat_fee_per_day": self.heat_fee_per_day,
            "heat_import_max_kw": self.heat_import_max_kw or 0.0,
            "heat_export_max_kw": self.heat_export_max_kw or 0.0,
        }
        wrong = [f"{name} {value:g}, expected above 0" for name, value in above_zero.items() if not value > 0]
        wrong += [
            f"{name} {value:g}, expected 0 or more" for name, value in not_negative.items() if value < 0
        ]
        for name in ("mip_gap_share", "price_tolerance_share"):
            if getattr(self, name) >= 1.0:
                wrong.append(f"{name} {getattr(self, name):g}, expected below 1")
        c1, c2, c3, c4 = self.step_factors
        if not c1 * (c2 + c3) > 0.0 or min(c1, c2, c3) < 0.0 or abs(c4) > MOST_GROWTH:
            wrong.append(
                f"step_factors {list(self.step_factors)}, expected c1, c2, c3 that make a step upwards"
            )
        if wrong:
            raise ValueError("; ".join(wrong))
