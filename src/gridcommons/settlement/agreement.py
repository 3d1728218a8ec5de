"""What a community has agreed on, and what the law adds, as the laws of sharing and of bills need it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from gridcommons.model.grid import FloatArray
from gridcommons.model.study import Study
from gridcommons.model.tariffs import Prices
from gridcommons.settlement.national_rules import PREMIUMS, NationalRules, rules_of
from gridcommons.settlement.postings import Parties
from gridcommons.settlement.settings import Settings
from gridcommons.settlement.sharing_bill import SharingTariff
from gridcommons.settlement.sharing_keys import Terms


@dataclass(frozen=True, eq=False)
class Agreement:
    """What holds in a window.

    Parameters
    ----------
    parties : Parties
        Members and their suppliers.
    rules : NationalRules or None
        National rules in force; None where the community makes its own.
    terms : Terms
        What the keys need to know.
    tariff : SharingTariff
        Prices, shape (steps,) each.
    steps_each : int
        Intervals that net together.
    premium_per_kwh : (netting intervals,)
        Paid on shared energy from outside; 0 where nobody does.
    """

    parties: Parties
    rules: NationalRules | None
    terms: Terms
    tariff: SharingTariff
    steps_each: int
    premium_per_kwh: FloatArray

    def tariff_of(self, steps: slice) -> SharingTariff:
        """Prices of some intervals."""
        tariff = self.tariff
        return SharingTariff(
            *(
                np.broadcast_to(price, len(self.premium_per_kwh) * self.steps_each)[steps]
                for price in (
                    tariff.import_price_per_kwh,
                    tariff.network_fee_per_kwh,
                    tariff.export_price_per_kwh,
                    tariff.shared_fee_per_kwh,
                    tariff.internal_price_per_kwh,
                )
            )
        )

    def premium_of(self, steps: slice) -> FloatArray:
        """Premium of the netting intervals that some intervals fill, shape (netting intervals,)."""
        return self.premium_per_kwh[steps.start // self.steps_each : steps.stop // self.steps_each]


def make_agreement(study: Study, settings: Settings) -> Agreement:
    """The agreement of a study that has all that ``require_settlement`` asks for."""
    rules = rules_in_force(settings, study.time.local(0).date())
    prices, steps_each = study.prices, netting_minutes(study, settings, rules) // study.time.step_minutes
    assert prices is not None
    fee_share = shared_fee_share(settings, rules)
    return Agreement(
        parties=Parties.of(study.community),
        rules=rules,
        terms=make_terms(settings, [member.member for member in study.community.members]),
        tariff=_make_tariff(prices, settings, fee_share, steps_each),
        steps_each=steps_each,
        premium_per_kwh=_premium(prices, settings, rules, steps_each),
    )


def rules_in_force(settings: Settings, on: date) -> NationalRules | None:
    """The national rules that the settings name, as they are on a day; None where they name none.

    Raises
    ------
    GridcommonsError
        There are no such rules on this day.
    """
    if not settings.rules:
        return None
    country, _, name = settings.rules.partition(",")
    return rules_of(country.strip(), name.strip(), on)


def netting_minutes(study: Study, settings: Settings, rules: NationalRules | None) -> int:
    """Interval over which injection and withdrawal net: as set, else by the rules, else that of the study."""
    if settings.netting_minutes is not None:
        return settings.netting_minutes
    return study.time.step_minutes if rules is None else rules.netting_minutes


def shared_fee_share(settings: Settings, rules: NationalRules | None) -> float:
    """Part of the network fee that shared energy pays: as set, else by the rules, else all of it.

    Raises
    ------
    GridcommonsError
        The rules know no cut for the network level.
    """
    if settings.shared_fee_share is not None:
        return settings.shared_fee_share
    return 1.0 if rules is None else rules.reduced_fee_per_kwh(1.0, settings.network_level)


def make_terms(settings: Settings, members: list[str]) -> Terms:
    """Shares, ranks and pairs in the order of the members."""
    place = {name: k for k, name in enumerate(members)}
    first = {name: k for k, name in enumerate(settings.priority)}
    order = sorted(members, key=lambda name: (first.get(name, len(first)), place[name]))
    rank = np.empty(len(members), dtype=np.int64)
    rank[[place[name] for name in order]] = np.arange(len(members))
    pair_share = None
    if "pairwise" in settings.keys:
        pair_share = np.zeros((len(members), len(members)))
        for member, producer, share in settings.pairs:
            pair_share[place[member], place[producer]] = share
    static_share = np.array([settings.shares.get(name, 0.0) for name in members])
    return Terms(static_share if settings.shares else None, rank, pair_share)


def _make_tariff(prices: Prices, settings: Settings, fee_share: float, steps_each: int) -> SharingTariff:
    """Prices of the study; a network fee that it does not give is none.

    Who is allocated energy and who gave it may do so at other times of a netting interval, so that one price
    holds all through it: the mean.
    """
    fee = np.nan_to_num(prices.network_fee_per_kwh)
    supply, export = prices.import_price_per_kwh, prices.export_price_per_kwh
    internal = export + settings.internal_price_share * (supply - export)
    if settings.internal_price_per_kwh is not None:
        internal = np.full(len(fee), settings.internal_price_per_kwh)
    internal = np.repeat(internal.reshape(-1, steps_each).mean(axis=1), steps_each)
    return SharingTariff(supply + fee, fee, export, fee_share * fee, internal)


def _premium(prices: Prices, settings: Settings, rules: NationalRules | None, steps_each: int) -> FloatArray:
    """The premium of the rules, from the mean feed-in price of each netting interval as the zone's price."""
    zonal_price = prices.export_price_per_kwh.reshape(-1, steps_each).mean(axis=1)
    if rules is None or not rules.premium or settings.plant_kw is None:
        return np.zeros(len(zonal_price))
    return PREMIUMS[rules.premium](settings.plant_kw, zonal_price, settings.premium_zone)
