"""What could not be mended: voltages that stay out, communities left aside, lines above their rating."""

from __future__ import annotations

from gridcommons.adapters.report import html
from gridcommons.adapters.report.figures import number
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.long_tables import long_table
from gridcommons.adapters.report.phrases import listed
from gridcommons.adapters.report.scheduling.material import Material
from gridcommons.adapters.report.scheduling.names_and_colours import BOUGHT
from gridcommons.adapters.report.scheduling.voltage_book import Out, read_outs, worst_of_hours
from gridcommons.adapters.report.tables import of_scenario
from gridcommons.adapters.report.words import broken_table

LOADING = "loading_max_percent"


def left_section(found: Material) -> Section | None:
    """What is left, at the head of the page; None where nothing is."""
    body = "".join([_out(found), _refusals(found), _overloads(found)])
    return Section("left", "What is left", body) if body else None


def _out(found: Material) -> str:
    """Where a voltage is out of its band in the end, and what is missing there."""
    if not len(found.shortages["bus"]) and not read_outs(found, BOUGHT):
        return ""
    said = "In the end a voltage is out of its band here."
    if not found.may_buy:
        said += " The study buys no reactive power (reactive_round is off)."
    if len(found.shortages["bus"]):
        price = found.setting("shortage_price_per_kvarh")
        said += (
            " The communities have no more to give, or what it would take costs more than a kvarh that is "
            "missing is worth to the grid operator"
        )
        said += f" ({number(float(price), 2)} {found.price_unit})." if price is not None else "."
        said += " What is missing is counted at the bus itself."
    if any(_is_held(found, out.bus) for out in read_outs(found, BOUGHT)):
        said += " A voltage that a source holds is not moved by reactive power."
    return f"<h3>Voltages that stay out of their band</h3>{html.text(said)}{out_table(found)}"


def _is_held(found: Material, bus: str) -> bool:
    """Whether a bus is a source."""
    grid = found.grid
    return grid is not None and bus in grid.buses.number and bool(grid.ways.is_source[grid.buses.number[bus]])


def out_table(found: Material) -> str:
    """Interval, bus, voltage reached and its limit, and the reactive power missing, by time."""
    rows, step = found.shortages, found.steps_of(found.shortages)
    lines = {
        out.step: _line(found, out.step, out.bus, out.vm_pu) | _bound(out)
        for out in worst_of_hours(read_outs(found, BOUGHT)).values()
    }
    for row in range(len(step)):
        at, bus = int(step[row]), str(rows["bus"][row])
        line = lines.setdefault(at, _line(found, at, bus, float(rows["vm_pu"][row])))
        line["missing#"] = number(abs(float(rows["missing_kvar"][row])), 1)
    heads = {"when": "hour" if found.clock.step_minutes == 60.0 else "interval", "bus": "bus"}
    heads |= {"vm#": "voltage reached [pu]", "limit#": "limit [pu]"}
    if len(step):
        heads |= {"missing#": "missing [kvar]", "how": "would have to be"}
    return long_table(heads, [lines[at] for at in sorted(lines)], "reactive_shortages")


def _line(found: Material, step: int, bus: str, vm_pu: float) -> dict[str, str]:
    line = {"when": found.clock.brief(step), "bus": bus, "vm#": number(vm_pu, 5)}
    return line | {"limit#": "–", "missing#": "–", "how": ""}


def _bound(out: Out) -> dict[str, str]:
    """The limit, and which way it would be reached."""
    return {"limit#": number(out.limit_pu, 3), "how": "injected" if out.is_low else "absorbed"}


def _refusals(found: Material) -> str:
    """Communities whose answers were not taken, and why."""
    rows = found.refusals
    if not len(rows["community"]):
        return ""
    names = [str(name) for name in dict.fromkeys(rows["community"].tolist())]
    verb, own = ("is", "its own schedule") if len(names) == 1 else ("are", "their own schedules")
    said = (
        f"{listed(names)} {verb} left with {own} for the rest of what was planned at once: an answer did not "
        "come, or was not one to what was asked. The others went on."
    )
    heads = {"community": "community", "from": "planned from", "round#": "round", "reason": "why"}
    step = found.steps_of(rows)
    lines = [
        {
            "community": str(rows["community"][row]),
            "from": found.clock.words(int(step[row])),
            "round#": number(int(rows["round"][row])),
            "reason": str(rows["reason"][row]),
        }
        for row in range(len(step))
    ]
    table = long_table(heads, lines, "refusals")
    return f"<h3>Communities left with their own schedules</h3>{html.text(said)}{table}"


def _overloads(found: Material) -> str:
    """Lines above their rating in the end: reactive power is bought for voltages alone."""
    rows = of_scenario(found.violations, BOUGHT)
    mine = rows["kind"] == LOADING
    if not mine.any():
        return ""
    rows = {column: values[mine] for column, values in rows.items()}
    said = (
        "Reactive power is bought for voltages alone; these lines or transformers carry more than they may."
    )
    table = broken_table(found.clock, rows, with_side=False)
    return f"<h3>Loaded beyond the rating</h3>{html.text(said)}{table}"
