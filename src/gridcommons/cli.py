"""The command line: reads arguments, calls the package, and says in one line each what went wrong."""

from __future__ import annotations

import importlib
import json
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

import gridcommons
from gridcommons.model.errors import (
    GridcommonsError,
    InfeasibleError,
    MissingExtraError,
    NotConvergedError,
    StudyError,
)

EXIT_CODES: dict[type[GridcommonsError], int] = {
    StudyError: 2,
    InfeasibleError: 3,
    NotConvergedError: 4,
    MissingExtraError: 5,
    GridcommonsError: 1,
}
"""What the command line exits with; a wrong argument is 2, too, and a signal 128 plus its number."""

# Commands find what they call here and import it when they run: numerical packages take seconds to
# import, and `gridcommons --help` shall answer at once.
_HOMES = {
    "NAMES": "gridcommons.benchmarks",
    "ParquetTables": "gridcommons.adapters.parquet_results",
    "FinishedRunFolder": "gridcommons.adapters.finished_runs",
    "ProblemList": "gridcommons.adapters.problems",
    "ProgressBars": "gridcommons.adapters.progress_bars",
    "benchmark": "gridcommons.benchmarks:run",
    "check_all": "gridcommons.known_answers",
    "check_study": "gridcommons.adapters.studies.check",
    "default_engines": "gridcommons.tasks",
    "loopback_process": "gridcommons.adapters.loopback_parties",
    "installed_versions": "gridcommons.tasks",
    "json_text": "gridcommons.adapters.parquet_results",
    "load_study": "gridcommons.adapters.studies.files",
    "new_study": "gridcommons.adapters.studies.writer",
    "run": "gridcommons.tasks",
    "task_problems": "gridcommons.tasks",
    "read_tables": "gridcommons.adapters.studies.toml_file:read_study_toml",
    "write_comparison": "gridcommons.adapters.report.page",
    "write_report": "gridcommons.adapters.report.page",
}

app = typer.Typer(
    help="Shares a distribution grid safely and fairly among the people connected to it.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder with a study.toml.")]
OutPath = Annotated[Path, typer.Option("--out", metavar="OUT", help="Folder for the result.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
PowerFlow = Annotated[Literal["helm", "newton"], typer.Option(help="The load flow that answers.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Independent pieces at a time; as many as cores if not given.")
]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of those that the process was started with.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    try:
        app(arguments, prog_name="gridcommons")
    except GridcommonsError as error:
        _tell(error)
        sys.exit(next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind)))
    except OSError as error:
        typer.echo(f"error: {error.filename or 'system'}: {error.strerror or error}", err=True)
    sys.exit(1)


def _leave(number: int, _frame: object) -> NoReturn:
    """Leave by way of every open block, so that nothing half-written stays behind; at once if asked again."""
    signal.signal(number, signal.SIG_DFL)
    typer.echo(f"error: interrupted by {signal.Signals(number).name}", err=True)
    sys.exit(128 + number)


def _tell(error: GridcommonsError) -> None:
    if isinstance(error, StudyError):
        lines = [str(problem) for problem in error.problems]
    else:
        lines = [" ".join(str(error).split())]
    for line in lines:
        typer.echo(f"error: {line}", err=True)


def _use(name: str) -> Any:
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(module), attribute or name)


@app.callback(invoke_without_command=True)
def gridcommons_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Shares a distribution grid safely and fairly among the people connected to it."""
    if version:
        typer.echo(f"gridcommons {gridcommons.__version__}")
        raise typer.Exit


@app.command()
def new(  # noqa: PLR0913 - each option of a command is an argument
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
    simbench: Annotated[str, typer.Option(metavar="CODE", help="A SimBench code.")] = "",
    pandapower: Annotated[
        str, typer.Option(metavar="NAME_OR_FILE", help="A grid that pandapower bundles, or its JSON.")
    ] = "",
    matpower: Annotated[str, typer.Option(metavar="FILE", help="A MATPOWER .m file.")] = "",
    streets: Annotated[
        str, typer.Option(metavar="FILE", help="Streets, buildings and stations: GeoJSON or OSM.")
    ] = "",
    opendss: Annotated[str, typer.Option(metavar="FILE", help="A feeder as a script of OpenDSS.")] = "",
    station_kva: Annotated[
        float | None, typer.Option(min=1, help="Rating of stations along streets that name none [kVA].")
    ] = None,
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The local day.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="That many days from the first.")] = None,
) -> None:
    """Write a study folder from a grid source."""
    given = {
        "simbench": simbench,
        "pandapower": pandapower,
        "matpower": matpower,
        "streets": streets,
        "opendss": opendss,
    }
    sources = [(kind, source) for kind, source in given.items() if source]
    if len(sources) != 1:
        raise typer.BadParameter("give one of --simbench, --pandapower, --matpower, --streets and --opendss")
    if day is not None and days is not None:
        raise typer.BadParameter("give --day or --days, not both")
    kind, source = sources[0]
    if station_kva is not None and kind != "streets":
        raise typer.BadParameter("--station-kva goes with --streets")
    options: dict[str, Any] = {"day": day.date() if day else None, "days": days}
    if station_kva is not None:
        options["station_kva"] = station_kva
    with _use("ProgressBars")().waiting(f"reading {source}"):
        notes = _use("new_study")(folder, kind, source, **options)
    _print([*notes, f"next: gridcommons check {folder}"])


@app.command()
def check(study: StudyPath) -> None:
    """Say what a study holds, or everything that is wrong with it."""
    with _use("ProgressBars")().waiting("checking the study"):
        _load(study)
        lines = _use("check_study")(study)
    _print(lines)


@app.command("run")
def run_task(
    study: StudyPath,
    task: Annotated[str, typer.Option(metavar="NAME", help="What to ask, such as envelopes.")],
    out: OutPath,
    as_json: AsJson = False,
    power_flow: PowerFlow = "helm",
    workers: Workers = None,
) -> None:
    """Run a task of a study, and leave tables, summary and report in OUT."""
    _run(study, task, out, power_flow, workers)
    _print_result(out, as_json)


@app.command()
def day(  # noqa: PLR0913 - each option of a command is an argument
    study: StudyPath,
    out: OutPath,
    without: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="An instrument to leave out; may be repeated.")
    ] = None,
    as_json: AsJson = False,
    power_flow: PowerFlow = "helm",
    workers: Workers = None,
) -> None:
    """Run the operating day of a study, from forecast to statements."""
    settings = {"without": without} if without else {}
    _run(study, "day", out, power_flow, workers, settings)
    _print_result(out, as_json)


@app.command()
def report(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a result.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="OTHER", help="Folder of a second one, to compare.")
    ] = None,
) -> None:
    """Write the report of a result again, or compare it with another."""
    with _use("ProgressBars")().waiting("writing the report"):
        path = _use("write_report")(out) if other is None else _use("write_comparison")(out, other)
    _print([f"{'report' if other is None else 'comparison'}: {path}"])


@app.command()
def verify() -> None:
    """Compute every known answer and compare; exits with 1 if one does not hold."""
    with _use("ProgressBars")().waiting("computing the known answers"):
        answers = _use("check_all")()
    _print(_answer_line(answer) for answer in answers)
    held = sum(answer.passed for answer in answers)
    _print([f"{held} of {len(answers)} known answers hold"])
    if held < len(answers):
        raise typer.Exit(1)


@app.command()
def demo(out: OutPath = Path("out/demo")) -> None:
    """Run the packaged example schutterwald_day, and say what to open."""
    _run(_example("schutterwald_day"), "day", out, "helm")
    _print_result(out, as_json=False)
    _print([f"open {out / 'report.html'} in a browser"])


@app.command()
def benchmark(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A benchmark, or all.")] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON there, too.")] = None,
) -> None:
    """Measure side by side with what else could be used."""
    known = _use("NAMES")
    if name not in (*known, "all"):
        raise typer.BadParameter(f"unknown benchmark {name!r}; known: {', '.join(known)}, all")
    figures = {each: _use("benchmark")(each) for each in (known if name == "all" else [name])}
    content = figures if name == "all" else figures[name]
    text = _use("json_text")(content)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    _print([text.rstrip()] if as_json else _lines(content))


def _load(path: Path, more: Mapping[str, Mapping[str, Any]] | None = None) -> Any:
    """The study with more settings of some tasks; all that is wrong with files and tables in one error."""
    try:
        study = _use("load_study")(path)
    except StudyError as error:
        tables = _use("read_tables")(_study_file(path), _use("ProblemList")()).tasks
        raise StudyError([*error.problems, *_use("task_problems")(tables)]) from None
    given = {task: dict(table) for task, table in (more or {}).items() if table}
    merged = {task: {**study.tasks.get(task, {}), **table} for task, table in given.items()}
    tasks = {**study.tasks, **merged}
    problems = _use("task_problems")(tasks)
    if problems:
        raise StudyError(problems)
    return replace(study, tasks=tasks)


def _study_file(path: Path) -> Path:
    return path if path.name == "study.toml" else path / "study.toml"


def _run(  # noqa: PLR0913 - what a command was given
    path: Path,
    task: str,
    out: Path,
    power_flow: str,
    workers: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    bars = _use("ProgressBars")()
    place = out.absolute()
    # What a long run has finished waits beside OUT until all of it is done.
    kept = _use("FinishedRunFolder")(place.parent / f".{place.name}.runs", _use("installed_versions")())
    with _use("ParquetTables")(out) as sink:
        with bars.waiting("reading the study"):
            study = _load(path, {task: settings or {}})
        other = _use("loopback_process")
        engines = _use("default_engines")(
            sink, bars, power_flow, workers=workers, finished=kept, other_process=other
        )
        sink.finish(_use("run")(study, task, engines))
    kept.clear()
    if kept.taken:
        typer.echo(f"taken from an earlier run that was interrupted: {kept.taken} pieces", err=True)
    with bars.waiting("writing the report"):
        _use("write_report")(out)


def _example(name: str) -> Path:
    """An example study: inside the package once installed, beside it in a source checkout."""
    package = Path(__file__).parent
    places = (package / "examples" / name, package.parents[1] / "examples" / name)
    for place in places:
        if place.is_dir():
            return place
    raise GridcommonsError(f"the example {name} is neither in {places[0]} nor in {places[1]}")


def _print_result(out: Path, as_json: bool) -> None:
    text = (out / "summary.json").read_text(encoding="utf-8").rstrip()
    if as_json:
        _print([text])
    else:
        _print([*_lines(json.loads(text)), f"result: {out}", f"report: {out / 'report.html'}"])


def _answer_line(answer: Any) -> str:
    verdict = "ok    " if answer.passed else "FAILED"
    computed = f"{answer.computed:.10g} {answer.unit}".rstrip()
    return (
        f"{verdict} {answer.name}: {computed}, expected {answer.expected:.10g}, "
        f"error {answer.error:.1e}, tolerance {answer.tolerance:.1e} ({answer.source})"
    )


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _lines(content: Any, indent: str = "") -> Iterator[str]:
    """A tree of figures as indented lines; a row of a list on one line."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield f"{indent}{key}:"
            yield from (indent + "  " + _row(row) for row in value)
        else:
            yield f"{indent}{key}: {_word(value)}"


def _row(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_word(value)}" for key, value in row.items())


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_word(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
