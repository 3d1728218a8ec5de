from __future__ import annotations

from typing import get_args

import pytest

from gridcommons import tasks
from gridcommons.adapters.studies.files import load_study
from gridcommons.model.errors import StudyError
from gridcommons.model.results import TablesInMemory
from gridcommons.ports import Engines, PowerFlow
from gridcommons.powerflow.flow import METHODS


@pytest.fixture(autouse=True)
def counting(monkeypatch):
    monkeypatch.setitem(tasks.CAPABILITIES, "counting", tasks.Capability("fakes.counting"))


@pytest.fixture
def study(examples):
    return load_study(examples / "chain")


def with_tables(study, **tables):
    from dataclasses import replace

    return replace(study, tasks=tables)


def test_a_task_gets_its_settings_and_its_result_says_where_it_comes_from(study):
    study = with_tables(study, counting={"label": "x", "parts": 3})
    result = tasks.run(study, "counting")
    assert result.tables["rows"]["part"].tolist() == [0, 1, 2]
    assert result.provenance["settings"]["parts"] == 3
    assert result.provenance["settings"]["wait_s"] == 0.0
    assert result.provenance["inputs_sha256"] == study.inputs_sha256
    assert result.provenance["seed"] == study.seed
    assert result.provenance["versions"]["numpy"].startswith("2.")
    assert result.provenance["extra"] == "told by the task"


def test_the_engines_reach_the_task(study):
    sink, told = TablesInMemory(), []

    def progress(label, total):
        told.append((label, total))
        return tasks.no_progress(label, total)

    engines = tasks.default_engines(sink, progress, "newton")
    result = tasks.run(with_tables(study, counting={"label": "x", "parts": 2}), "counting", engines)
    assert told == [("counting", 2)]
    assert len(sink.parts["rows"]) == 2
    assert result.summary["method"] == result.provenance["power_flow"] == "newton"


def test_default_engines_write_into_memory_of_their_own():
    first, second = tasks.default_engines(), tasks.default_engines()
    assert first.method == "helm"
    assert first.sink is not second.sink
    assert Engines().sink is not Engines().sink


def test_an_unknown_task_is_refused_with_a_suggestion(study):
    with pytest.raises(StudyError, match="did you mean 'envelopes'") as caught:
        tasks.run(study, "envelops")
    assert caught.value.problems[0].table == "tasks.envelops"


def test_a_wrong_table_is_refused_before_anything_runs(study):
    sink = TablesInMemory()
    wrong = with_tables(study, counting={"labell": "x", "parts": "many"})
    with pytest.raises(StudyError) as caught:
        tasks.run(wrong, "counting", Engines(sink))
    assert {problem.column for problem in caught.value.problems} == {"label", "labell", "parts"}
    assert not sink.parts


def test_every_table_of_a_study_is_checked_at_once():
    problems = tasks.task_problems({"counting": {"label": 1}, "switchin": {}, "envelopes": {"draws": -1}})
    assert [problem.table for problem in problems] == ["tasks.counting", "tasks.switchin", "tasks.envelopes"]


@pytest.mark.parametrize("name", sorted(tasks.CAPABILITIES))
def test_every_capability_has_settings_with_documented_fields(name):
    from dataclasses import fields, is_dataclass

    settings = tasks.CAPABILITIES[name].load().Settings
    assert is_dataclass(settings) and settings.__dataclass_params__.frozen
    assert all(f"\n    {field.name} :" in settings.__doc__ for field in fields(settings))
    assert tasks.task_problems({name: {}}) == []


def test_the_ports_know_every_load_flow():
    assert set(get_args(PowerFlow)) == set(METHODS)
