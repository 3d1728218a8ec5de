"""Examples of scheduling with all their parts at hand: communities, grid operator, and what came out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gridcommons as gc
from gridcommons.model.results import Result
from gridcommons.model.settings import read_settings
from gridcommons.model.study import Study
from gridcommons.powerflow.admittance import build_network
from gridcommons.scheduling.capability import make_operator, schedule_horizon
from gridcommons.scheduling.community import Community
from gridcommons.scheduling.energy_hub import communities_of, make_hub
from gridcommons.scheduling.grid_operator import GridOperator
from gridcommons.scheduling.horizon_result import HorizonResult
from gridcommons.scheduling.settings import Settings


@dataclass(frozen=True)
class Case:
    """A study of scheduling over one horizon, and its parts."""

    study: Study
    settings: Settings
    operator: GridOperator
    communities: list[Community]

    def hold(self, pool=None) -> HorizonResult:
        """Schedules, round and purchase."""
        price = self.study.prices.import_price_per_kwh
        return schedule_horizon(self.communities, self.operator, self.settings, price, pool)


def make_case(study: Study, kinds: dict[str, type[Community]] | None = None, **settings) -> Case:
    """A study's parts, some of its communities of another kind, some settings changed."""
    chosen = replace(read_settings(Settings, study.tasks["scheduling"], "scheduling"), **settings)
    every, kinds = slice(0, study.time.steps), kinds or {}
    communities = [
        kinds.get(name, Community)(make_hub(study, name, every, {}), chosen) for name in communities_of(study)
    ]
    return Case(study, chosen, make_operator(study, build_network(study.grid), every, "helm"), communities)


def run_with(study: Study, **settings) -> Result:
    """The task, with some settings changed."""
    tasks = {**study.tasks, "scheduling": {**study.tasks["scheduling"], **settings}}
    return gc.run(replace(study, tasks=tasks), "scheduling")
