"""What the switches did: strips over the day, and each topology with whom it joined."""

from __future__ import annotations

from gridcommons.adapters.report import html
from gridcommons.adapters.report.clusters.switch_day import SwitchDay
from gridcommons.adapters.report.clusters.switch_strips import draw_switches
from gridcommons.adapters.report.clusters.topology_table import islanded_hours, span_table
from gridcommons.adapters.report.figures import energy
from gridcommons.adapters.report.html import Section
from gridcommons.adapters.report.phrases import times
from gridcommons.adapters.report.trading.material import Material
from gridcommons.adapters.report.trading.scenario_words import scenario_name


def topology_section(found: Material) -> Section | None:
    """Strips of the last scenario and its topologies; None where nothing tells of switches."""
    day = found.switched
    if day is None:
        return None
    is_switched = found.last == "switched"
    said = (
        "Power over a link stands above the middle where it flows as its arrow says, and below it where it "
        "flows back; over a connection, above is what the main grid delivers and below what it is fed. "
    )
    if is_switched:
        said += _moves(found)
    else:
        said += f"In this scenario ({scenario_name(found.last)}) nobody moves a switch."
    body = html.text(said) + html.figure(draw_switches(found.clock, day, found.colours))
    body += "<h3>Who is joined with whom</h3>" + topology_table(found, day)
    return Section("topology", "What the switches did" if is_switched else "Where the switches stand", body)


def _moves(found: Material) -> str:
    summary = found.summary
    changes = times(int(summary.get("topology_changes") or 0), "time")
    said = f"The topology changes {changes}, in {times(int(summary.get('operations') or 0), 'operation')}."
    notes = [str(note) for note in summary.get("notes") or []]
    return " ".join([said, *notes])


def topology_table(found: Material, day: SwitchDay) -> str:
    """Each time between two changes: who is joined, what is fed in, and what would be with all closed."""
    columns = {"fed in [kWh]": found.last}
    columns |= {"with all closed [kWh]": "joined"} if found.last == "switched" else {}
    fed_in = {
        head: found.exchange[name].fed_in_kw for head, name in columns.items() if name in found.exchange
    }
    return span_table(found.clock, day, fed_in)


def islanded_words(found: Material, day: SwitchDay) -> list[str]:
    """Clusters that had no way to the main grid, for how long, and what that cost."""
    told = islanded_hours(found.clock, day)
    for key, words in (
        ("unserved_kwh", "of consumption not served"),
        ("curtailed_kwh", "of generation lost"),
    ):
        lost = found.figure_in(found.last, key)
        if lost > 0.05:
            told.append(f"{energy(lost)} {words}")
    return told
