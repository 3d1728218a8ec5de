"""The command line as its own process: how fast it answers, and what a signal in mid-run leaves."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time

import pytest

COMMAND = "from gridcommons.cli import main; main()"
SLOW_TASK = (
    "from gridcommons import tasks; "
    "tasks.CAPABILITIES['counting'] = tasks.Capability('fakes.counting'); " + COMMAND
)

RUN_INTO = (
    "import sys, gridcommons as gc; "
    "study, sink = gc.load_study(sys.argv[1]), gc.ParquetTables(sys.argv[2]); "
    "sink.finish(gc.run(study, 'envelopes', gc.default_engines(sink)))"
)


def command(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_help_imports_nothing_that_is_slow():
    """The half second in which help shall answer is spent on imports: hold those, not the clock."""
    code = (
        "import sys, gridcommons.cli; "
        "slow = {'numpy', 'pandas', 'pyarrow', 'pandapower', 'numba', 'scipy', 'matplotlib'}; "
        "print(sorted(slow & set(sys.modules)))"
    )
    said, _ = command(code).communicate(timeout=60)
    assert said == "[]\n"


def test_the_public_names_are_there_and_import_nothing_before_they_are_used():
    code = (
        "import sys, gridcommons as gc; before = 'numpy' in sys.modules; "
        "print(before, [name for name in gc.__all__ if not hasattr(gc, name)], len(gc.__all__) <= 16)"
    )
    said, _ = command(code).communicate(timeout=60)
    assert said == "False [] True\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_mid_run_leaves_nothing_half_written(tmp_path, examples, number, code):
    shutil.copytree(examples / "chain", tmp_path / "study")
    with (tmp_path / "study" / "study.toml").open("a") as file:
        begun = tmp_path / "study" / "begun"
        file.write(f'\n[tasks.counting]\nlabel = "x"\nparts = 100000\nwait_s = 0.01\nbegun = "{begun}"\n')
    old = tmp_path / "out"
    old.mkdir()
    for name in ("summary.json", "provenance.json"):
        (old / name).write_text('{"run": 1}')
    run = command(SLOW_TASK, "run", tmp_path / "study", "--task", "counting", "--out", old)
    try:
        wait_for(begun)
        run.send_signal(number)
        _, err = run.communicate(timeout=30)
    finally:
        run.kill()
    assert run.returncode == code
    assert err == f"error: interrupted by {number.name}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "study"]
    assert {path.name: path.read_text() for path in old.iterdir()} == {
        "summary.json": '{"run": 1}',
        "provenance.json": '{"run": 1}',
    }


def wait_for(file):
    deadline = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < deadline, "the run has not begun"
        time.sleep(0.05)


def test_output_that_nobody_reads_is_no_traceback(examples):
    with command(COMMAND, "check", examples / "chain") as run:
        run.stdout.close()
        err = run.stderr.read()
    assert (run.returncode, err) == (1, "")


def test_the_same_study_gives_the_same_bytes(tmp_path, examples, monkeypatch):
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        with command(RUN_INTO, examples / "chain", tmp_path / seed) as run:
            _, err = run.communicate(timeout=120)
        assert run.returncode == 0, err
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / s).iterdir()} for s in ("1", "2"))
    assert len(first) > 2 and first == second
