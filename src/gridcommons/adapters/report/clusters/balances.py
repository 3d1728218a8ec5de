"""What each cluster draws and has to spare over time."""

from __future__ import annotations

import numpy as np

from gridcommons.adapters.report.clock import Clock
from gridcommons.adapters.report.clusters.lines import fill_signed, note_zone, thin_bins
from gridcommons.adapters.report.clusters.switch_day import SwitchDay
from gridcommons.adapters.report.figures import energy, number
from gridcommons.adapters.report.panels import Shape, legend, make_panels, title
from gridcommons.adapters.report.style import EXPORT, IMPORT, Chart, finish, quiet_grid, time_axis


def draw_balances(clock: Clock, day: SwitchDay) -> Chart:
    """Net power of each cluster, blue above 0 and orange below."""
    count = len(day.clusters)
    figure, axes = make_panels(count, Shape(min(count, 3), 0.95, head=0.46, foot=0.38, top=0.30))
    bins, told = thin_bins(clock), []
    most = max(float(np.abs(bins.mean(net_kw)).max(initial=0.0)) for net_kw in day.net_kw.T)
    for place, panel in enumerate(axes):
        net_kw = day.net_kw[:, place]
        fill_signed(panel, bins, net_kw, (IMPORT, EXPORT))
        panel.set_ylim(-1.05 * max(most, 1e-3), 1.05 * max(most, 1e-3))
        quiet_grid(panel)
        time_axis(panel, bins.dates, clock.timezone, label=False, most_ticks=5)
        draws, spares = (
            float(np.maximum(sign * net_kw, 0.0).sum() * clock.step_hours) for sign in (1.0, -1.0)
        )
        remark = f"draws {energy(draws)}, has {energy(spares)} to spare"
        title(panel, day.clusters[place], remark)
        told.append(f"{day.clusters[place]}: {remark}")
    entries = [("■", IMPORT, "above 0: draws"), ("■", EXPORT, "below 0: has to spare")]
    legend(figure, entries, "net power, losses of its grid included [kW]")
    note_zone(figure, clock)
    words = f"Net power of {number(count)} clusters over the day. " + "; ".join(told)
    return finish(figure, words, "clusters")
