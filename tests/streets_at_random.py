"""Random places of streets, houses and stations for tests, in metres."""

from __future__ import annotations

from hypothesis import strategies as st

from gridcommons.synthesis.street_plan import Building, Station, Street, StreetPlan

PITCH_M = 70.0


@st.composite
def plans(draw, kva=(400.0, 630.0), houses=25):
    """A crooked lattice of streets without some of its pieces, but whole, and things beside them."""
    columns, rows = draw(st.integers(2, 4)), draw(st.integers(2, 4))
    shift = st.integers(-20, 20)
    at = {
        (i, j): (PITCH_M * i + draw(shift), PITCH_M * j + draw(shift))
        for i in range(columns)
        for j in range(rows)
    }
    pieces = [
        ((i, j), (i + 1, j)) for i in range(columns - 1) for j in range(rows) if j == 0 or draw(st.booleans())
    ]
    pieces += [((i, j), (i, j + 1)) for i in range(columns) for j in range(rows - 1)]
    streets = tuple(Street((at[a], bend(at[a], at[b], draw(shift)), at[b])) for a, b in pieces)
    stations = tuple(
        Station(f"S{k}", beside(draw, streets), draw(st.sampled_from(kva)))
        for k in range(draw(st.integers(1, 3)))
    )
    buildings = tuple(
        Building(f"h{k}", beside(draw, streets), 120.0, draw(st.sampled_from((1, 1, 1, 2, 6))))
        for k in range(draw(st.integers(1, houses)))
    )
    return StreetPlan(streets, buildings, stations)


def bend(a, b, shift):
    return ((a[0] + b[0]) / 2 + shift / 4, (a[1] + b[1]) / 2 - shift / 4)


def beside(draw, streets):
    street = draw(st.sampled_from(streets))
    (ax, ay), (bx, by) = street.points[0], street.points[1]
    share, off = draw(st.integers(0, 20)) / 20, draw(st.integers(-15, 15))
    return (ax + share * (bx - ax) + off / 2, ay + share * (by - ay) - off / 2)
