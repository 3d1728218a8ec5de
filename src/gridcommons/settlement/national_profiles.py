"""Dated profiles of what countries' rules say of sharing energy.

Rules are data: which keys may be agreed on, over which interval registers net, how network fees are reduced.
The law changes, and not every statement has been read in the statute itself: ``to_verify`` lists what to look
up before a profile is relied on, ``not_computed`` what the rules also say and this engine leaves to its user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from gridcommons.model.errors import GridcommonsError


@dataclass(frozen=True)
class Participation:
    """How one metering point may take part in several communities.

    Parameters
    ----------
    communities_max : int
        At most so many at once.
    percent_min, percent_max : int
        Limits of each factor, a whole number.
    percent_sum_max : int
        Of all its factors.
    """

    communities_max: int
    percent_min: int
    percent_max: int
    percent_sum_max: int


@dataclass(frozen=True)
class NationalRules:
    """Rules of one kind of community in one country over some time.

    Parameters
    ----------
    country, name : str
        Whose they are, and of which kind of community.
    valid_from, valid_to : date
        First and last day; None where no end is known.
    keys : tuple of str
        Names in ``KEYS`` that may be agreed on; the first where nothing else is agreed.
    netting_minutes : int
        Interval over which withdrawal and injection net [min].
    area : str
        Where its members may be.
    source : str
        Where this is said.
    fee_reduction_share : mapping of str to float
        Cut of the network fee on allocated energy, by the network level of the member; ``any`` for all.
    participation : Participation, optional
        None where a metering point is in one community alone.
    premium : str
        Name in ``PREMIUMS``; empty where none is paid.
    to_verify : tuple of str
        Statements that were not found in a public source, or that are not known.
    not_computed : tuple of str
        Rules that nothing here applies.
    """

    country: str
    name: str
    valid_from: date
    valid_to: date | None
    keys: tuple[str, ...]
    netting_minutes: int
    area: str
    source: str
    fee_reduction_share: Mapping[str, float] = field(default_factory=dict)
    participation: Participation | None = None
    premium: str = ""
    to_verify: tuple[str, ...] = ()
    not_computed: tuple[str, ...] = ()

    def holds_on(self, day: date) -> bool:
        """Whether these rules are in force on a day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def reduced_fee_per_kwh(self, fee_per_kwh: float, level: str = "any") -> float:
        """Network fee on allocated energy: the fee less its cut, or the whole fee where no rule cuts it.

        Raises
        ------
        GridcommonsError
            Fees are cut, but no cut is known for this level.
        """
        cuts = self.fee_reduction_share
        if not cuts:
            return fee_per_kwh
        if level not in cuts and "any" not in cuts:
            raise GridcommonsError(
                f"{self}: found network level {level!r}, expected one of {', '.join(sorted(cuts))}"
            )
        return fee_per_kwh * (1.0 - cuts.get(level, cuts.get("any", 0.0)))

    def __str__(self) -> str:
        until = self.valid_to.isoformat() if self.valid_to else "now"
        return f"{self.country}, {self.name} ({self.valid_from.isoformat()} to {until})"


AUSTRIAN_SOURCE = (
    "ElWOG 2010 § 16e; Koordinationsstelle Energiegemeinschaften, 'Messung und Aufteilung' and "
    "'Energiezuteilung'"
)
AUSTRIAN_KEYS = ("dynamic_prorata", "static_capped")
AUSTRIAN_FACTORS = Participation(communities_max=5, percent_min=1, percent_max=100, percent_sum_max=100)
"""Koordinationsstelle Energiegemeinschaften for the communities, enox.share for the factors."""
AUSTRIAN_UNKNOWN = (
    "which key holds where none is agreed",
    "fee reductions later than the 2nd amendment of 2021 of SNE-V 2018",
    "levies that fall away, and the fee for losses",
)
SINGLE_TO_MULTIPLE = (date(2024, 3, 31), date(2024, 4, 1))
"""Last day of one community a metering point, and first of several; which day of April is to be verified."""
LAST_OF_ELWOG = date(2026, 9, 30)
"""ElWG's rules of energy sharing hold from 1 October 2026; what they fix is not profiled here."""


def _austria(
    name: str, area: str, cuts: Mapping[str, float], to_verify: tuple[str, ...]
) -> tuple[NationalRules, NationalRules]:
    """A kind of community before and since a metering point may be in several."""
    unknown = (*to_verify, *AUSTRIAN_UNKNOWN)
    last_single, first_multiple = SINGLE_TO_MULTIPLE
    single = NationalRules(
        country="Austria",
        name=name,
        valid_from=date(2021, 11, 1),
        valid_to=last_single,
        keys=AUSTRIAN_KEYS,
        netting_minutes=15,
        area=area,
        source=AUSTRIAN_SOURCE,
        fee_reduction_share=cuts,
        to_verify=unknown,
    )
    multiple = NationalRules(
        country="Austria",
        name=name,
        valid_from=first_multiple,
        valid_to=LAST_OF_ELWOG,
        keys=AUSTRIAN_KEYS,
        netting_minutes=15,
        area=area,
        source=AUSTRIAN_SOURCE,
        fee_reduction_share=cuts,
        participation=AUSTRIAN_FACTORS,
        to_verify=(*unknown, "the day in April 2024 from which on several communities are allowed"),
    )
    return single, multiple


GERMAN_SHARING_UNKNOWN = (
    "no statutory formula of allocation was found: the key is by contract",
    "registers net over 15 minutes",
    "Directive 2019/944 Art. 15a(4): energy is shared within one imbalance settlement period at most",
)

RULES: tuple[NationalRules, ...] = (
    *_austria(
        "EEG local",
        "behind one transformer of the low-voltage network",
        {"any": 0.57},
        ("a local community's cut of 57 %", "the area of a local community"),
    ),
    *_austria(
        "EEG regional",
        "one medium-voltage network of a DSO",
        {"level 7": 0.28, "level 5": 0.64},
        ("the cut for members on level 6", "the area of a regional community"),
    ),
    *_austria(
        "GEA",
        "one building or site with a common plant",
        {},
        ("ElWOG 2010 § 16a: the same cap by consumption", "first day of the rules, earlier than given here"),
    ),
    NationalRules(
        country="Germany",
        name="GGV",
        valid_from=date(2024, 5, 16),
        valid_to=None,
        keys=("static_capped", "dynamic_prorata"),
        netting_minutes=15,
        area="one building with a plant on it",
        source="EnWG § 42b(5); BDEW Anwendungshilfe Solarpaket 1, 2024",
        to_verify=(
            "in force since 16 May 2024",
            "without an agreed key the shares are equal",
            "the plant and its consumers are in one building",
        ),
    ),
    NationalRules(
        country="Germany",
        name="energy sharing",
        valid_from=date(2026, 6, 1),
        valid_to=date(2028, 5, 31),
        keys=("static_capped", "dynamic_prorata"),
        netting_minutes=15,
        area="one balancing area of a DSO",
        source="EnWG § 42c; Gleiss Lutz 2025; recht-energisch, 16 January 2026 (full fees and levies)",
        to_verify=GERMAN_SHARING_UNKNOWN,
    ),
    NationalRules(
        country="Germany",
        name="energy sharing",
        valid_from=date(2028, 6, 1),
        valid_to=None,
        keys=("static_capped", "dynamic_prorata"),
        netting_minutes=15,
        area="adjacent areas of DSOs in one control area",
        source="EnWG § 42c; Gleiss Lutz 2025; recht-energisch, 16 January 2026 (full fees and levies)",
        to_verify=GERMAN_SHARING_UNKNOWN,
    ),
    NationalRules(
        country="Spain",
        name="collective self-consumption",
        valid_from=date(2022, 12, 28),
        valid_to=None,
        keys=("static_owned",),
        netting_minutes=60,
        area="2 km around the plant",
        source="RD 244/2019 annex I; CNMC 2021 (β fixed or set in advance per hour); RDL 20/2022 (2 km)",
        to_verify=(
            "RD 244/2019 annex I: EN_i = β_i · EN, β summing to 1, by hours",
            "in force since 28 December 2022 with 2 km",
            "5 km were proposed in October 2025: status unknown",
        ),
        not_computed=(
            "simplified compensation never exceeds the value of the energy consumed in the month (Solit)",
        ),
    ),
    NationalRules(
        country="France",
        name="collective self-consumption",
        valid_from=date(2025, 1, 1),
        valid_to=None,
        keys=("dynamic_prorata", "static_capped", "pairwise"),
        netting_minutes=15,
        area="as the decree on distance says",
        source="Code de l'énergie, arts. D. 315-1 to D. 315-6; part-energie for the organiser's options",
        to_verify=(
            "the imbalance settlement period is 15 minutes since 1 January 2025",
            "the order in which Enedis caps the shares of several producers",
            "the distance between members",
        ),
        not_computed=("a store that charges counts as a consumer, one that discharges as a producer",),
    ),
    NationalRules(
        country="Italy",
        name="CER",
        valid_from=date(2024, 1, 24),
        valid_to=None,
        keys=("virtual",),
        netting_minutes=60,
        area="one primary substation",
        source="DM 414/2023; GSE questions and answers; Regione Emilia-Romagna (premium)",
        premium="italian_premium",
        to_verify=(
            "in force since 24 January 2024",
            "members are behind one primary substation",
            "the addition of a zone comes on top of the cap, and is for solar plants alone",
            "largest plant that gets the premium",
        ),
        not_computed=(
            "premium on shared energy above 55 % (45 % with a grant) goes to consumers that are no business, "
            "or to social use",
        ),
    ),
)
"""All profiles."""
