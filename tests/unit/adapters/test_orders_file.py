"""``orders.csv``: what is read and what is a problem; the book says whether an order may trade."""

from __future__ import annotations

import shutil

import pytest

import gridcommons as gc
from gridcommons.model.errors import StudyError
from gridcommons.model.orders import StandingOrder

HEADER = "order,member,cluster,side,power_kw,price_per_kwh,time,expires"
FIRST, SECOND = "2022-06-15T10:00:00Z", "2022-06-15T13:00:00+02:00"


@pytest.fixture
def folder(examples, tmp_path):
    return shutil.copytree(examples / "two_clusters", tmp_path / "study")


def write(folder, *lines, header=HEADER):
    (folder / "orders.csv").write_text("\n".join([header, *lines]) + "\n")


def test_a_row_is_an_order(folder):
    write(folder, f"b,home,A,buy,5,0.25,{FIRST},{SECOND}", f"a,shop,B,sell,2.5,0.07,{SECOND},")
    assert gc.load_study(folder).orders == (
        StandingOrder("b", "home", "A", True, 5.0, 0.25, 0, 1),
        StandingOrder("a", "shop", "B", False, 2.5, 0.07, 1, 1),
    )


def test_expiry_may_be_left_out_and_no_file_is_no_order(folder):
    assert gc.load_study(folder).orders == ()
    write(folder, f"a,shop,B,sell,2.5,0.07,{FIRST}", header=HEADER.removesuffix(",expires"))
    (order,) = gc.load_study(folder).orders
    assert (order.placed_step, order.expires_step) == (0, 0)


def test_what_the_book_refuses_is_no_problem_of_the_file(folder):
    """Unknown names, a price outside any band, no power, an expiry before the start, an id again."""
    write(
        folder,
        f"a,nobody,Z,buy,-5,-0.25,{SECOND},{FIRST}",
        f"a,home,A,buy,0,9,{FIRST},",
    )
    first, second = gc.load_study(folder).orders
    assert (first.power_kw, first.price_per_kwh, first.placed_step, first.expires_step) == (-5.0, -0.25, 1, 0)
    assert second.power_kw == 0.0
    result = gc.run(gc.load_study(folder), "trading")
    # Twice of the same id: both are sent and refused in their own interval.
    orders = result.tables["orders"]
    mine = orders[orders.order == "a"]
    assert len(mine) == result.summary["rejected_orders"] == 2 and (mine.entered_kwh == 0.0).all()


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        (f",home,A,buy,5,0.25,{FIRST},", "order", "an empty cell"),
        (f"a@1,home,A,buy,5,0.25,{FIRST},", "order", "an id without @"),
        (f"a,,A,buy,5,0.25,{FIRST},", "member", "an empty cell"),
        (f"a,home,,buy,5,0.25,{FIRST},", "cluster", "an empty cell"),
        (f"a,home,A,,5,0.25,{FIRST},", "side", "an empty cell"),
        (f"a,home,A,bye,5,0.25,{FIRST},", "side", "did you mean 'buy'?"),
        (f"a,home,A,Buy,5,0.25,{FIRST},", "side", "buy or sell"),
        (f"a,home,A,buy,,0.25,{FIRST},", "power_kw", "an empty cell"),
        (f"a,home,A,buy,inf,0.25,{FIRST},", "power_kw", "a finite number"),
        (f"a,home,A,buy,5,cheap,{FIRST},", "price_per_kwh", "'cheap'"),
        (f"a,home,A,buy,5,,{FIRST},", "price_per_kwh", "an empty cell"),
        ("a,home,A,buy,5,0.25,,", "time", "an empty cell"),
        ("a,home,A,buy,5,0.25,2022-06-15T10:00:00,", "time", "append Z for UTC"),
        ("a,home,A,buy,5,0.25,2022-06-15T10:30:00Z,", "time", "the start of an interval"),
        ("a,home,A,buy,5,0.25,2022-06-15T12:00:00Z,", "time", "the start of an interval"),
        (f"a,home,A,buy,5,0.25,{FIRST},2022-06-15T09:00:00Z", "expires", "the start of an interval"),
    ],
)
def test_what_cannot_be_read_is_a_problem_of_its_cell(folder, line, column, said):
    write(folder, f"ok,home,A,buy,5,0.25,{FIRST},", line)
    with pytest.raises(StudyError) as raised:
        gc.load_study(folder)
    (problem,) = raised.value.problems
    assert (problem.file, problem.row, problem.column) == ("orders.csv", "3", column)
    assert said in str(problem)
