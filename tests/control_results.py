"""A made-up result of control, so that a report has something to say."""

import numpy as np

from gridcommons.adapters.parquet_results import ParquetTables
from gridcommons.control.runs import violations
from gridcommons.control.scenarios import SOURCE_SCENARIOS
from gridcommons.model.results import Result

STRESS = {"safe": 0.9, "critical": 1.0}
LIMIT_KW = 90.0
QUARTER = np.timedelta64(15, "m")


def text(word, count):
    return np.array([word] * count, dtype=object)


def made_up_load(scenario, steps):
    """A peak each evening that each measure lowers, and a trough at noon."""
    hour = np.arange(steps) % 96 / 4.0
    height = {"status_quo": 80.0, "base_2030": 260.0, "storage": 150.0}[scenario.split("+")[0]]
    evening, noon = np.exp(-(((hour - 19.0) / 2.0) ** 2)), np.exp(-((hour - 12.0) ** 2))
    return (height - 25.0 * scenario.count("+")) * evening - (height + 5.0) * noon + 10.0


def write_control(folder, *, scenarios=SOURCE_SCENARIOS, steps=192, name="house", without=(), **changed):
    """A made-up result; ``changed`` may give ``load``, ``stress``, ``start``, ``unserved`` and provenance."""
    start = np.datetime64(changed.get("start", "2024-01-05T00:00"), "ms")
    stress, load = changed.get("stress", STRESS), changed.get("load", made_up_load)
    limits_kw = {level: LIMIT_KW / share for level, share in stress.items()}
    stamps = start + np.arange(steps) * QUARTER
    members = np.array([f"{name} {k}" for k in range(3)], dtype=object)
    with ParquetTables(folder) as sink:

        def write(table, **columns):
            if table not in without:
                sink.write(table, {key: np.asarray(values) for key, values in columns.items()})

        write(
            "station_limits",
            stress=np.array(list(limits_kw), dtype=object),
            share=np.array(list(stress.values())),
            limit_kw=np.array(list(limits_kw.values())),
        )
        for scenario in scenarios:
            p_kw = load(scenario, steps)
            for level in limits_kw if "+" in scenario else ["any"]:
                write_run(write, (scenario, level), stamps, p_kw, (members, changed.get("unserved", 0.0)))
            for level, limit_kw in limits_kw.items():
                for direction, signed in (("load", p_kw), ("feed_in", -p_kw)):
                    broken = violations(p_kw, limit_kw, direction)
                    write(
                        "violation_counts",
                        scenario=text(scenario, 1),
                        stress=text(level, 1),
                        direction=text(direction, 1),
                        intervals=[int(broken.sum())],
                        excess_kwh=[float((signed - limit_kw)[broken].sum()) / 4.0],
                    )
        write_grid(write, stamps[:1], name)
        provenance = {"study": f"Study of {name}", "timezone": "Europe/Vienna", "step_minutes": 15}
        provenance |= {"notes": [f"a note on {name}"], "settings": {"station_limit_kw": None}}
        summary = {"households": 3, "steps": steps, "binding_share": 0.0, "ac_over_dc_share": 0.02}
        sink.finish(Result("control", {}, summary, provenance | changed.get("provenance", {})))
    return folder


def write_run(write, key, stamps, p_kw, households):
    scenario, level = key
    members, unserved_kwh = households
    keys = {"scenario": text(scenario, len(stamps)), "stress": text(level, len(stamps))}
    nothing = np.zeros(len(stamps))
    parts = ("car_kw", "battery_kw", "battery_kwh", "tank_kwh", "heat_put_off_kwh")
    write(
        "station_load",
        **keys,
        time=stamps,
        p_kw=p_kw,
        load_kw=np.maximum(p_kw, 0.0),
        generation_kw=np.maximum(-p_kw, 0.0),
        heat_pump_kw=nothing + 4.0,
        **dict.fromkeys(parts, nothing),
    )
    keys = {"scenario": text(scenario, 3), "stress": text(level, 3)}
    measures = scenario.count("+")
    figures = {
        "generation_kwh": [100.0, 200.0, 0.0],
        "fed_in_kwh": [60.0, 100.0, 0.0],
        "imported_kwh": [10.0, 20.0, 30.0],
        "charging_kwh": [50.0, 0.0, 0.0],
        "heat_kwh": [0.0, 80.0, 40.0],
        "charging_deferred_kwh": [float(measures), 0.0, 0.0],
        "heat_deferred_kwh": [0.0, 3.0 * measures, 5.0 * measures],
        "charging_delay_hours": [0.5 * measures, np.nan, np.nan],
        "self_consumption_share": [0.4, 0.5, np.nan],
        "unserved_kwh": [0.0, 0.0, unserved_kwh],
        "carried_kwh": [0.0, 0.0, 0.0],
        "cost": [10.0 + measures, 20.0 + measures, 30.0],
    }
    write("household_energy", **keys, member=members, **figures)
    for measure in scenario.split("+")[1:]:
        begin = stamps[:-79:96]
        if not len(begin):
            continue
        known = {"scenario": text(scenario, len(begin)), "stress": text(level, len(begin))}
        called = text(measure, len(begin))
        write("measure_calls", **known, measure=called, time=begin + 72 * QUARTER, until=begin + 80 * QUARTER)
    keys = {"scenario": text(scenario, 2), "stress": text(level, 2)}
    time = np.repeat(stamps[:1], 2)
    buses = np.array(["source", f"{members[0]} bus"], dtype=object)
    write("bus_voltages", time=time, **keys, bus=buses, vm_pu=[1.0, 0.97])
    one = {"scenario": text(scenario, 1), "stress": text(level, 1), "time": stamps[:1]}
    write("branch_loadings", **one, branch=text("line", 1), kind=text("line", 1), loading_percent=[61.0])
    write(
        "grid_extremes",
        **one,
        element=text("line", 1),
        kind=text("loading_max_percent", 1),
        value=[61.0 - measures],
        limit=[100.0],
        intervals=[0],
    )


def write_grid(write, first, name):
    buses = np.array(["source", f"{name} 0 bus"], dtype=object)
    nowhere = np.full(2, np.nan)
    write("grid_buses", bus=buses, vn_kv=[0.4, 0.4], x_map=nowhere, y_map=nowhere, is_source=[True, False])
    write(
        "grid_branches",
        branch=text("line", 1),
        kind=text("line", 1),
        from_bus=buses[:1],
        to_bus=buses[1:],
        length_km=[0.1],
        closed=[True],
    )
    write(
        "grid_limits", time=first, element=text("line", 1), kind=text("loading_max_percent", 1), limit=[100.0]
    )
