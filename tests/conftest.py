"""What all tests share: the examples, and settings that make every run the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

# Tests that start processes start them on this source tree.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
# Charts are drawn into files; no display is needed.
os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile(
    "project", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source checkout."""
    return ROOT


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of the example studies."""
    return ROOT / "examples"


@pytest.fixture
def beside_examples(tmp_path: Path, examples: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder in which ``examples/NAME`` can be read, as after a checkout."""
    (tmp_path / "examples").symlink_to(examples)
    monkeypatch.chdir(tmp_path)
    return tmp_path
