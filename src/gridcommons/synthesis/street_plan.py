"""What a grid is made of where no grid data exist: streets, buildings and stations on a plane in metres."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Street:
    """A street as a polyline.

    Parameters
    ----------
    points : tuple of (x, y)
        Crossings and bends in their order [m].
    name : str
        For messages.
    """

    points: tuple[Point, ...]
    name: str = ""


@dataclass(frozen=True)
class Building:
    """A building with dwellings; it becomes one bus, and each dwelling a member of its own.

    Parameters
    ----------
    name : str
        Unique over buildings and stations, without blanks and dots.
    at : (x, y)
        Its middle [m].
    living_area_m2 : float
        Living area of all its dwellings [m²].
    households : int
        Dwellings in it.
    where : str
        Where it stands in the file, for messages.
    """

    name: str
    at: Point
    living_area_m2: float
    households: int = 1
    where: str = ""


@dataclass(frozen=True)
class Station:
    """An MV/LV station.

    Parameters
    ----------
    name : str
        Unique over buildings and stations, without blanks and dots.
    at : (x, y)
        Its place [m].
    kva : float
        Rated power of its transformer [kVA].
    mv_cable_km : float or None
        Length of the medium-voltage cable from the source [km]; None is the straight way, 0 puts the
        transformer at the source's bus.
    where : str
        Where it stands in the file, for messages.
    """

    name: str
    at: Point
    kva: float
    mv_cable_km: float | None = None
    where: str = ""


@dataclass(frozen=True)
class StreetPlan:
    """Streets, buildings and stations of a place, and the file they are from (for messages)."""

    streets: tuple[Street, ...]
    buildings: tuple[Building, ...]
    stations: tuple[Station, ...]
    file: str = "streets"

    @property
    def things(self) -> tuple[Station | Building, ...]:
        """What joins the streets: the stations, then the buildings."""
        return (*self.stations, *self.buildings)
