"""gridcommons shares a distribution grid safely and fairly among the people connected to it.

>>> import gridcommons as gc
>>> study = gc.load_study("examples/chain")
>>> result = gc.run(study, task="envelopes")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridcommons.adapters.loopback_parties import loopback_process as loopback_process
    from gridcommons.adapters.parquet_results import ParquetTables as ParquetTables
    from gridcommons.adapters.parquet_results import read_result as read_result
    from gridcommons.adapters.studies.files import load_study as load_study
    from gridcommons.model.errors import GridcommonsError as GridcommonsError
    from gridcommons.model.errors import InfeasibleError as InfeasibleError
    from gridcommons.model.errors import MissingExtraError as MissingExtraError
    from gridcommons.model.errors import NotConvergedError as NotConvergedError
    from gridcommons.model.errors import StudyError as StudyError
    from gridcommons.model.results import Result as Result
    from gridcommons.model.study import Study as Study
    from gridcommons.tasks import default_engines as default_engines
    from gridcommons.tasks import run as run

__version__ = "0.1.0"

_HOMES = {
    "GridcommonsError": "gridcommons.model.errors",
    "InfeasibleError": "gridcommons.model.errors",
    "MissingExtraError": "gridcommons.model.errors",
    "NotConvergedError": "gridcommons.model.errors",
    "ParquetTables": "gridcommons.adapters.parquet_results",
    "Result": "gridcommons.model.results",
    "Study": "gridcommons.model.study",
    "StudyError": "gridcommons.model.errors",
    "default_engines": "gridcommons.tasks",
    "load_study": "gridcommons.adapters.studies.files",
    "loopback_process": "gridcommons.adapters.loopback_parties",
    "read_result": "gridcommons.adapters.parquet_results",
    "run": "gridcommons.tasks",
}
"""Where each public name lives; imported when first used, so that ``import gridcommons`` is instant."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gridcommons' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
