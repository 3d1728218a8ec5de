"""Days of 23 and 25 hours are ordinary days."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gridcommons.adapters.studies.files import load_study

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(("day", "hours"), [("2016-03-27", 23), ("2016-10-30", 25), ("2016-06-01", 24)])
def test_a_day_has_as_many_hours_as_the_clock_says(tmp_path, examples, day, hours):
    folder = tmp_path / "study"
    shutil.copytree(examples / "chain", folder)
    start = datetime.fromisoformat(day).replace(tzinfo=BERLIN)
    stamps = [
        (start.astimezone(ZoneInfo("UTC")) + timedelta(hours=h)).astimezone(BERLIN) for h in range(hours)
    ]
    rows = [f"{stamp.isoformat()},{hour}.0,1.0" for hour, stamp in enumerate(stamps)]
    (folder / "profiles.csv").write_text("\n".join(["time,UL01,UL02", *rows]) + "\n")
    text = (folder / "study.toml").read_text()
    for old, new in (
        ('start = "2024-01-01T00:00:00Z"', f'start = "{start.isoformat()}"'),
        ('timezone = "UTC"', 'timezone = "Europe/Berlin"'),
        ("steps = 6", f"steps = {hours}"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "study.toml").write_text(text)
    study = load_study(folder)
    assert study.time.local(hours - 1).strftime("%Y-%m-%d %H") == f"{day} 23"
    np.testing.assert_array_equal(study.profiles.columns["UL01"], np.arange(hours, dtype=float))
