"""Makes examples/rural_day from SimBench 1-LV-rural2--2-sw; run by hand, needs the simbench extra.

    python examples/make_rural_day.py

The grid is written in the plain format, so that the example loads without pandapower.
"""

from __future__ import annotations

import shutil
import tempfile
import textwrap
from datetime import date
from pathlib import Path

from gridcommons.adapters.grids.plain_json import write_grid
from gridcommons.adapters.studies.files import load_study
from gridcommons.adapters.studies.writer import new_study

CODE = "1-LV-rural2--2-sw"
DAY = date(2016, 5, 27)
FOLDER = Path(__file__).parent / "rural_day"
TABLES = ("members.csv", "assets.csv", "profiles.parquet")
STUDY_TOML = """\
# A sunny spring day on a rural SimBench feeder; README.md says where the data come from.
name = "Rural feeder, 27 May"
currency = "EUR"
seed = 1

[time]
start = "2016-05-27T00:00:00+02:00"
timezone = "Europe/Berlin"
step_minutes = 15
steps = 96

[grid]
file = "grid.json"        # source voltage 1.025 pu and transformer tap 0 are in the file

[limits]
vm_min_pu = 0.96          # 0.95 to 1.05, less 1 % kept for the medium voltage
vm_max_pu = 1.04
line_loading_max_percent = 100
transformer_loading_max_percent = 100

[tasks.envelopes]
objective = "max_total"
method = "linear"
draws = 1000
objectives_compared = ["max_total", "equal", "proportional", "max_min", "proportional_fairness"]
"""
README = """\
# rural_day

One day, 27 May 2016 (local time, Europe/Berlin), in 96 steps of 15 minutes on a rural low-voltage feeder
with 97 buses behind one 250 kVA transformer. Every solar plant, charging station, heat pump and battery
is flexible and gets its own envelope. The voltage band is 0.96 to 1.04 pu: 1 % on either side is kept for
the medium voltage.

## Source and licence

Grid and profiles are converted from SimBench, grid code `{code}` (dataset of S. Meinecke, D. Sarajlić,
S. R. Drauz, A. Klettke, L.-P. Lauven, C. Rehtanz, A. Moser and M. Braun, "SimBench — A Benchmark Dataset
of Electric Power Systems to Compare Innovative Solutions Based on Power Flow Analysis", Energies 13 (12),
2020, 3290, https://simbench.de). SimBench data are made available under the Open Database License 1.0
(https://opendatacommons.org/licenses/odbl/1-0/); individual contents of the database are under the
Database Contents License 1.0. The files `grid.json`, `members.csv`, `assets.csv` and `profiles.parquet`
of this folder are a derivative database and are under the same Open Database License 1.0, unlike the
program around them.

## What was converted, and how

`examples/make_rural_day.py` made this folder:

{said}
- the source at the high-voltage side holds 1.025 pu, as the dataset has it;
- charging points (`HLS_*`, `APLS_*`) are flexible charging stations, heat pumps (`Air_*`, `Soil_*`)
  flexible heat pumps, all other loads fixed; the dataset does not say when a car is there, so it counts as
  plugged in throughout;
- the batteries stay idle unless controlled;
- local times of the dataset became UTC; reactive power follows its own profile (`.q_kvar`), or a power
  factor where it is one share of the active power throughout;
- the grid is in the plain format of `gridcommons.adapters.grids.plain_json`.
"""


def main() -> None:
    """Make the folder anew."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "rural_day"
        said = new_study(fresh, "simbench", CODE, day=DAY)
        grid = load_study(fresh).grid
        FOLDER.mkdir(exist_ok=True)
        for name in TABLES:
            shutil.copyfile(fresh / name, FOLDER / name)
    write_grid(grid, FOLDER / "grid.json")
    (FOLDER / "study.toml").write_text(STUDY_TOML, encoding="utf-8")
    lines = "\n".join(textwrap.fill(f"- {line};", 110, subsequent_indent="  ") for line in said[1:])
    (FOLDER / "README.md").write_text(README.format(code=CODE, said=lines), encoding="utf-8")


if __name__ == "__main__":
    main()
