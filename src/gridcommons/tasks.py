"""What can be asked of a study, and the one function that runs it."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, cast

from gridcommons.model.errors import Problem, StudyError
from gridcommons.model.results import Result, TablesInMemory
from gridcommons.model.settings import FILE, read_settings, settings_problems, suggest
from gridcommons.model.study import Study
from gridcommons.model.study_columns import describe_study
from gridcommons.ports import (
    Engines,
    FinishedRuns,
    NothingFinished,
    OtherProcess,
    PowerFlow,
    Progress,
    SwitchController,
    TableSink,
    cores,
    no_other_process,
    no_progress,
)

_VERSIONS_OF = (
    "gridcommons",
    "clarabel",
    "demandlib",
    "highspy",
    "numba",
    "numpy",
    "pandapower",
    "power-grid-model",
    "pvlib",
    "scipy",
    "simbench",
)


class CapabilityModule(Protocol):
    """What the module of a capability has."""

    Settings: type[Any]
    """A frozen dataclass: what the study may say under ``[tasks.NAME]``."""

    def run(self, study: Study, settings: Any, engines: Engines) -> Result:
        """Answer the study."""


@dataclass(frozen=True)
class Capability:
    """A task by the module that answers it, imported when it is first asked for.

    The commands that need no capability (``--help``, ``report``) then start without its packages.
    """

    module: str

    def load(self) -> CapabilityModule:
        """The module itself."""
        return cast(CapabilityModule, importlib.import_module(self.module))


CAPABILITIES: dict[str, Capability] = {
    "control": Capability("gridcommons.control.capability"),
    "day": Capability("gridcommons.day.capability"),
    "envelopes": Capability("gridcommons.envelopes.capability"),
    "flexibility": Capability("gridcommons.flexibility.capability"),
    "scheduling": Capability("gridcommons.scheduling.capability"),
    "settlement": Capability("gridcommons.settlement.capability"),
    "switching": Capability("gridcommons.switching.capability"),
    "trading": Capability("gridcommons.trading.capability"),
}
"""Every task by the name that it has in ``study.toml`` and on the command line."""


def default_engines(
    sink: TableSink | None = None,
    progress: Progress | None = None,
    method: PowerFlow = "helm",
    *,
    workers: int | None = None,
    finished: FinishedRuns | None = None,
    other_process: OtherProcess = no_other_process,
) -> Engines:
    """The engines of a run: the only place that chooses, for command line and Python alike.

    Parameters
    ----------
    sink : TableSink, optional
        Where the tables go; into memory by default.
    progress : Progress, optional
        Who is told how far the run is; nobody by default.
    method : {"helm", "newton"}
        The load flow.
    workers : int, optional
        How many independent pieces are computed at a time; as many as this process has cores by default.
    finished : FinishedRuns, optional
        Where a long task keeps what it has finished; nowhere by default.
    other_process : callable
        Runs the grid operator's side of a market in a process of its own, such as ``gc.loopback_process``.
    """
    return Engines(
        switch_controller=_switch_controller,
        sink=TablesInMemory() if sink is None else sink,
        progress=no_progress if progress is None else progress,
        method=method,
        workers=cores() if workers is None else workers,
        finished=NothingFinished() if finished is None else finished,
        other_process=other_process,
    )


def _switch_controller(method: str) -> SwitchController:
    """The controller of switches of a method, imported when it is first asked for."""
    module = importlib.import_module("gridcommons.switching.controller")
    return cast(SwitchController, module.make_controller(method))


def run(study: Study, task: str, engines: Engines | None = None) -> Result:
    """The answer to one task.

    Parameters
    ----------
    study : Study
        From ``load_study``, or made in Python.
    task : str
        A name in ``CAPABILITIES``; the study's table ``[tasks.NAME]`` holds its settings, and a
        study without that table runs it with the settings that its documentation states.
    engines : Engines, optional
        From ``default_engines``.

    Raises
    ------
    StudyError
        If the task is unknown, or with everything that is wrong with its table.

    Examples
    --------
    >>> import gridcommons as gc
    >>> result = gc.run(gc.load_study("examples/chain"), task="envelopes")
    >>> result.tables["envelopes"].columns.tolist()
    ['time', 'asset', 'p_min_kw', 'p_max_kw', 'resolved']
    """
    engines = default_engines() if engines is None else engines
    if task not in CAPABILITIES:
        raise StudyError([_unknown_task(task)])
    capability = CAPABILITIES[task].load()
    settings = read_settings(capability.Settings, study.tasks.get(task, {}), task)
    for table, columns in describe_study(study, getattr(settings, "soc_path", None)):
        engines.sink.write(table, columns)
    result = capability.run(study, settings, engines)
    return replace(result, provenance={**_provenance(study, task, settings, engines), **result.provenance})


def task_problems(tables: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """Everything that is wrong with the ``[tasks.NAME]`` tables of a study."""
    problems: list[Problem] = []
    for name, table in tables.items():
        if name in CAPABILITIES:
            problems += settings_problems(CAPABILITIES[name].load().Settings, table, name)
        else:
            problems.append(_unknown_task(name))
    return problems


def _unknown_task(name: str) -> Problem:
    return Problem(
        file=FILE,
        table=f"tasks.{name}",
        found=f"the unknown task {name!r}",
        expected="a known task",
        suggestion=suggest(name, CAPABILITIES),
    )


def _provenance(study: Study, task: str, settings: Any, engines: Engines) -> dict[str, Any]:
    """What a reader needs to run the same again; without clock or place, so that reruns agree."""
    return {
        "task": task,
        "study": study.name,
        "currency": study.currency,
        "timezone": study.time.timezone,
        "step_minutes": study.time.step_minutes,
        "inputs_sha256": study.inputs_sha256,
        "seed": study.seed,
        "settings": asdict(settings),
        "power_flow": engines.method,
        "notes": list(study.notes),
        "versions": {"python": platform.python_version(), **installed_versions()},
    }


def installed_versions() -> dict[str, str]:
    """Versions of the packages that decide a result; ``unknown`` where a source tree is not installed."""
    return {package: _version(package) for package in _VERSIONS_OF}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
