"""``offers.csv``: what is read, what is a problem of the file, and what the market rejects instead."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import gridcommons as gc
from gridcommons.model.errors import StudyError

HEADER = "offer,aggregator,bus,time,price_per_kwh,flexibility_kw,payback_kw"
T18, T7 = "2021-01-20T17:00:00+01:00", "2021-01-20T06:00:00+01:00"

T24, T5 = "2021-01-20T23:00:00+01:00", "2021-01-20T04:00:00+01:00"


@pytest.fixture
def folder(examples, tmp_path):
    """Tariff case 2, its limits to be held by a market alone."""
    study = shutil.copytree(examples / "rbts4_tariff_case2", tmp_path / "study")
    text = (study / "study.toml").read_text()
    text = text.replace('["tariff", "reprofiling"]', '["market"]').replace('tariff = "coordinated"\n', "")
    (study / "study.toml").write_text(text)
    return study


def write(folder, *lines, header=HEADER):
    (folder / "offers.csv").write_text("\n".join([header, *lines]) + "\n")


def test_rows_of_one_offer_become_one_offer(folder):
    write(folder, f"a,ag1,LP4,{T18},0.6,30,", f"a,ag1,LP4,{T7},0.6,,33", f"b,ag1,LP5,{T18},0.7,5,")
    first, second = gc.load_study(folder).offers
    assert (first.offer, first.aggregator, first.bus, first.price_per_kwh) == ("a", "ag1", "LP4", 0.6)
    assert first.flexibility_kw[17] == 30.0 and first.flexibility_kw.sum() == 30.0
    assert first.payback_kw[6] == 33.0 and first.payback_kw.sum() == 33.0
    assert first.relation == "alone" and first.divisible and second.offer == "b"


def test_group_relation_block_and_response_are_read(folder):
    header = HEADER + ",group,relation,divisible,response_kw_per_price"
    write(folder, f"a,ag1,LP4,{T18},0.6,30,,g,exclusive,false,2.5", header=header)
    (offer,) = gc.load_study(folder).offers
    assert (offer.group, offer.relation, offer.divisible) == ("g", "exclusive", False)
    assert offer.response_kw_per_price == 2.5


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([f"a,ag1,LP4,{T18},cheap,30,"], "'cheap'"),
        ([f"a,ag1,LP4,{T18},,30,"], "column price_per_kwh: found an empty cell"),
        (["a,ag1,LP4,2021-01-21T17:00:00+01:00,0.6,30,"], "the start of an interval from"),
        (["a,ag1,LP4,2021-01-20T17:10:00+01:00,0.6,30,"], "the start of an interval from"),
        (["a,ag1,LP4,2021-01-20T17:00:00,0.6,30,"], "append Z for UTC"),
        ([f"a,,LP4,{T18},0.6,30,"], "column aggregator: found an empty cell"),
        ([f",ag1,LP4,{T18},0.6,30,"], "column offer: found an empty cell"),
        ([f"a,ag1,LP4,{T18},0.6,30,", f"a,ag1,LP4,{T18},0.6,3,"], "one row an interval; row 2 has it"),
        ([f"a,ag1,LP4,{T18},0.6,30,", f"a,ag1,LP5,{T7},0.6,,3"], "as row 2 says of the same offer"),
    ],
)
def test_what_cannot_be_read_is_a_problem_of_the_file(folder, lines, said):
    write(folder, *lines)
    with pytest.raises(StudyError, match="offers.csv") as caught:
        gc.load_study(folder)
    assert said in str(caught.value)


def test_an_unknown_relation_is_suggested(folder):
    write(folder, f"a,ag1,LP4,{T18},0.6,30,,exclusiv", header=HEADER + ",relation")
    with pytest.raises(StudyError, match="did you mean 'exclusive'"):
        gc.load_study(folder)


def test_the_market_takes_in_what_is_right_and_says_why_not(folder):
    write(
        folder,
        f"good,ag1,LP1,{T24},0.6,3,",
        f"good,ag1,LP1,{T5},0.6,,3.2",
        f"boast,ag1,LP4,{T18},0.6,10,",
        f"boast,ag1,LP4,{T7},0.6,,11",
        f"negative,ag1,LP4,{T18},-0.6,10,",
        f"large,ag1,LP4,{T18},0.6,9000,",
        f"late,ag1,LP4,{T18},0.6,5,",
        "late,ag1,LP4,2021-01-20T16:00:00+01:00,0.6,,5",
        f"stranger,nobody,LP4,{T18},0.6,5,",
        f"typo,ag_1,LP4,{T18},0.6,5,",
        f"dear,ag1,LP4,{T18},1.6,5,",
        f"much,ag1,LP4,{T18},0.6,5,",
        f"much,ag1,LP4,{T7},0.6,,9",
    )
    result = gc.run(gc.load_study(folder), "flexibility")
    reasons = result.tables["rejections"].astype(str).set_index("offer")["reason"]
    assert "a price of -0.6" in reasons["negative"]
    assert "offers 9000.00 kW" in reasons["large"] and "above its capacity of" in reasons["large"]
    assert "which is no payback hour" in reasons["late"]
    assert reasons["stranger"] == "comes from 'nobody', who has no devices at LP4"
    assert reasons["typo"].endswith("who has no devices at LP4; did you mean 'ag1'?")
    assert "above the cap of 1.5" in reasons["dear"]
    assert "takes back 9.00 kW for 5.00 kW" in reasons["much"]
    # No house keeps heat from the morning to the evening of a frosty day.
    assert "its devices cannot deliver" in reasons["boast"]
    offers = result.tables["offers"].astype({"offer": str, "aggregator": str})
    assert set(offers["offer"][offers["aggregator"] == "ag1"]) == {"good"}
    assert {"ag2", "ag3", "ag4"} <= set(offers["aggregator"])


def test_the_hash_of_the_inputs_holds_the_offers(folder):
    write(folder, f"a,ag1,LP4,{T18},0.6,10,")
    first = gc.load_study(folder).inputs_sha256
    write(folder, f"a,ag1,LP4,{T18},0.6,11,")
    assert gc.load_study(folder).inputs_sha256 != first


def test_a_study_without_the_file_has_no_offers(folder):
    assert gc.load_study(folder).offers == ()
    assert np.isfinite(gc.load_study(folder).prices.import_price_per_kwh).all()
