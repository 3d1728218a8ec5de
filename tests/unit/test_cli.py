from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from gridcommons import cli, tasks
from gridcommons.model.errors import Problem, StudyError


@pytest.fixture(autouse=True)
def counting(monkeypatch):
    monkeypatch.setitem(tasks.CAPABILITIES, "counting", tasks.Capability("fakes.counting"))


@pytest.fixture
def study(tmp_path, examples):
    shutil.copytree(examples / "chain", tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def gridcommons(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def fake(monkeypatch):
    """Put something else in place of what a command calls."""
    real = cli._use
    fakes = {}
    monkeypatch.setattr(cli, "_use", lambda name: fakes[name] if name in fakes else real(name))
    return fakes


def ask(study, **settings):
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"label": "x", **settings}.items()]
    with (study / "study.toml").open("a") as file:
        file.write("\n[tasks.counting]\n" + "\n".join(lines) + "\n")


def written_report(out):
    path = Path(out) / "report.html"
    path.write_text("pictures")
    return path


def test_run_leaves_result_and_report(gridcommons, fake, study, tmp_path):
    fake["write_report"] = written_report
    ask(study, parts=2)
    out = tmp_path / "out"
    code, said, err = gridcommons("run", study, "--task", "counting", "--out", out)
    assert (code, err) == (0, "")
    assert said.splitlines() == [
        "parts: 2",
        "method: helm",
        "nothing: None",
        f"result: {out}",
        f"report: {out / 'report.html'}",
    ]
    left = {path.name for path in out.iterdir()}
    assert {"rows.parquet", "summary.json", "provenance.json", "report.html"} <= left
    assert json.loads((out / "provenance.json").read_text())["settings"]["parts"] == 2


def test_run_prints_the_summary_as_json(gridcommons, fake, study, tmp_path):
    fake["write_report"] = written_report
    ask(study)
    arguments = ("run", study / "study.toml", "--task", "counting", "--out", tmp_path / "out")
    code, said, _ = gridcommons(*arguments, "--json", "--power-flow", "newton")
    assert code == 0
    assert json.loads(said) == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert json.loads(said)["method"] == "newton"


@pytest.mark.parametrize(
    ("fail", "code", "line"),
    [
        ("infeasible", 3, "error: voltage at bus 7 conflicts with loading"),
        ("not_converged", 4, "error: 12 iterations"),
        ("missing", 5, "gridcommons[simbench]"),
        ("other", 1, "error: something else"),
        ("interrupt", 130, "error: interrupted by SIGINT"),
    ],
)
def test_each_error_has_its_code_and_one_line(gridcommons, study, tmp_path, fail, code, line):
    ask(study, fail=fail)
    found, said, err = gridcommons("run", study, "--task", "counting", "--out", tmp_path / "out")
    assert (found, said) == (code, "")
    assert len(err.splitlines()) == 1 and line in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study"]


def test_all_problems_of_files_and_tables_come_at_once(gridcommons, study):
    ask(study, parts="many", lable="y")
    (study / "members.csv").write_text("member,bus\nhousehold_1,nowhere\n")
    code, said, err = gridcommons("check", study)
    assert (code, said) == (2, "")
    lines = err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    assert any("members.csv" in line and "nowhere" in line for line in lines)
    assert any("study.toml [tasks.counting] column parts" in line for line in lines)
    assert any("did you mean 'label'?" in line for line in lines)


def test_check_refuses_a_wrong_table_of_a_right_study(gridcommons, study):
    ask(study, parts=0)
    code, _, err = gridcommons("check", study)
    assert code == 2 and "at least 1 is written" in err


def test_check_says_what_a_study_holds(gridcommons, study):
    code, said, err = gridcommons("check", study)
    assert (code, err) == (0, "")
    assert said.startswith("study: Chain of five buses\n")


def test_a_missing_folder_is_one_line(gridcommons, tmp_path):
    code, _, err = gridcommons("run", tmp_path / "no", "--task", "envelopes", "--out", tmp_path / "out")
    assert code == 2 and len(err.splitlines()) == 1 and "no such folder" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "call"),
    [
        (["--simbench", "code", "--day", "2016-05-27"], ("simbench", "code", date(2016, 5, 27), None)),
        (["--pandapower", "lv_schutterwald"], ("pandapower", "lv_schutterwald", None, None)),
        (["--matpower", "case.m", "--days", "2"], ("matpower", "case.m", None, 2)),
    ],
)
def test_new_passes_source_and_window_on(gridcommons, fake, options, call):
    calls = []

    def new_study(folder, kind, source, *, day, days):
        calls.append((kind, source, day, days))
        return ["one note"]

    fake["new_study"] = new_study
    code, said, _ = gridcommons("new", "here", *options)
    assert (code, calls) == (0, [call])
    assert said == "one note\nnext: gridcommons check here\n"


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--simbench", "a", "--pandapower", "b"],
        ["--simbench", "a", "--day", "2016-05-27", "--days", "1"],
        ["--simbench", "a", "--days", "0"],
        ["--simbench", "a", "--day", "yesterday"],
    ],
)
def test_new_refuses_what_it_cannot_mean(gridcommons, options):
    assert gridcommons("new", "here", *options)[0] == 2


@dataclass
class Answer:
    error: float
    passed: bool
    name: str = "two buses"
    computed: float = 0.5
    expected: float = 0.5
    tolerance: float = 1e-9
    unit: str = "pu"
    source: str = "closed form"


def test_verify_prints_a_line_each_and_fails_where_one_does_not_hold(gridcommons, fake):
    fake["check_all"] = lambda: [Answer(1e-12, True)]
    code, said, _ = gridcommons("verify")
    assert code == 0
    assert said.splitlines() == [
        "ok     two buses: 0.5 pu, expected 0.5, error 1.0e-12, tolerance 1.0e-09 (closed form)",
        "1 of 1 known answers hold",
    ]
    fake["check_all"] = lambda: [Answer(1e-12, True), Answer(1.0, False)]
    code, said, _ = gridcommons("verify")
    assert code == 1 and "FAILED two buses" in said and "1 of 2" in said


def test_benchmark_runs_one_or_all(gridcommons, fake, tmp_path):
    fake["NAMES"] = ("power-flow", "envelopes")
    fake["benchmark"] = lambda name: {"name": name, "ratio": 12.345678, "rows": [{"threads": 1, "us": 2.0}]}
    code, said, _ = gridcommons("benchmark", "envelopes")
    assert code == 0
    assert said.splitlines() == ["name: envelopes", "ratio: 12.3457", "rows:", "  threads 1, us 2"]
    file = tmp_path / "results" / "today.json"
    code, said, _ = gridcommons("benchmark", "--json", "--out", file)
    assert code == 0
    assert list(json.loads(said)) == ["power-flow", "envelopes"]
    assert json.loads(said) == json.loads(file.read_text())
    assert gridcommons("benchmark", "flow")[0] == 2


def test_report_says_where_it_is(gridcommons, fake, tmp_path):
    fake["write_report"] = written_report
    code, said, _ = gridcommons("report", tmp_path)
    assert (code, said) == (0, f"report: {tmp_path / 'report.html'}\n")


def test_report_compares_with_a_second_result(gridcommons, fake, tmp_path):
    fake["write_comparison"] = lambda out, other: out / f"with {other.name}"
    code, said, _ = gridcommons("report", tmp_path, tmp_path / "other")
    assert (code, said) == (0, f"comparison: {tmp_path / 'with other'}\n")


def test_problems_keep_their_order_and_place(gridcommons, fake):
    def refuse(path):
        raise StudyError([Problem("a.csv", "x", "y", row="3"), Problem("b.csv", "u", "v", "do w")])

    fake["write_report"] = refuse
    code, _, err = gridcommons("report", "anywhere")
    assert code == 2
    assert err.splitlines() == [
        "error: a.csv row 3: found x, expected y",
        "error: b.csv: found u, expected v; do w",
    ]


def test_a_file_system_error_is_one_line(gridcommons, fake):
    def refuse(path):
        raise PermissionError(13, "Permission denied", "/out")

    fake["write_report"] = refuse
    assert gridcommons("report", "x") == (1, "", "error: /out: Permission denied\n")
