"""The documentation is right: its examples run, and nothing that it must explain is missing.

Every ``python`` fence runs, in the order of the page and with the names of the fences before it. Every
``console`` fence runs line by line: a line that begins with ``$`` is a command, the lines under it must
be in its output in that order; ``...`` stands for anything. Other fences (``sh``, ``toml``) are shown only.
"""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import typer

from control_study import control_study
from fakes.communities import Garbled
from flexibility_study import squeezed
from gridcommons import benchmarks, cli, tasks
from gridcommons.adapters.studies.files import load_study
from gridcommons.adapters.studies.offers import OFFER_COLUMNS
from gridcommons.adapters.studies.orders import ORDER_COLUMNS
from gridcommons.adapters.studies.profiles import OUTDOOR, PRICE_COLUMNS, SUFFIX_KINDS
from gridcommons.adapters.studies.switches import SWITCH_COLUMNS
from gridcommons.adapters.studies.toml_file import KEYS
from gridcommons.model.assets import ASSET_KINDS, Asset, Battery, rating_columns
from gridcommons.model.limits import LIMIT_NAMES
from gridcommons.model.members import CONNECTIONS, Community, Member
from gridcommons.scheduling import capability as scheduling
from gridcommons.settlement.national_rules import RULES
from gridcommons.settlement.sharing_keys import KEYS as SHARING_KEYS
from gridcommons.switching.controller import PLANNERS
from gridcommons.switching.settings import METHODS_OF_GOAL
from gridcommons.trading.mechanisms import MECHANISMS
from gridcommons.trading.settings import SCENARIOS
from gridcommons.trading.triggers import TRIGGERS
from settlement_study import EXAMPLE_TERMS, worked_example

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fences(page, language):
    return [body for kind, body in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]


def pages_with(language):
    return [pytest.param(page, id=page.name) for page in PAGES if fences(page, language)]


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_examples_run(page, beside_examples):
    names = {}
    bodies = fences(page, "python")
    # An example that only runs could print anything: each page states what must come out.
    assert any("assert " in body for body in bodies), f"{page.name} shows Python and asserts nothing"
    for body in bodies:
        exec(compile(body, str(page), "exec"), names)


@pytest.mark.parametrize("page", pages_with("console"))
def test_console_examples_run(page, beside_examples):
    for body in fences(page, "console"):
        for command, expected in commands(body):
            said = call(command)
            pattern = "\n".join(expected)
            assert matches(pattern, said), f"{command} printed\n{said}\nand not\n{pattern}"


def commands(body):
    found = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def call(command):
    program, *arguments = shlex.split(command)
    assert program == "gridcommons", f"only gridcommons is run; show {program} in a fence of sh"
    code = "from gridcommons.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


def matches(pattern, text):
    """Whether a text is what the pattern says; ``...`` is anything, also no line at all."""
    parts = [re.escape(part) for part in pattern.split("...")]
    return re.fullmatch(r"[\s\S]*".join(part.strip("\\\n") for part in parts), text) is not None


def test_matches_can_fail():
    assert matches("a\n...\nb", "a\nx\ny\nb") and matches("a ... c", "a b c")
    assert not matches("a\nb", "a\nc") and not matches("a\n...\nb", "a\nx\nc")


def modules_with_examples():
    for path in sorted((ROOT / "src").rglob("*.py")):
        if ">>>" in path.read_text(encoding="utf-8"):
            module = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
            yield module.removesuffix(".__init__")


@pytest.mark.parametrize("module", list(modules_with_examples()))
def test_examples_in_docstrings_run(module, beside_examples):
    done = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted > 0 and done.failed == 0


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert [page.name for page in DOCS.glob("*.md") if f": {page.name}\n" not in navigation] == []


def words(page, heading=""):
    """What stands in backticks on a page, or in the section under a heading."""
    text = (DOCS / page).read_text(encoding="utf-8")
    if heading:
        level = heading.partition(" ")[0]
        found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.M | re.S)
        assert found, f"{page} has no section {heading!r}"
        text = found[1]
    return set(re.findall(r"`([^`\n]+)`", text))


@pytest.mark.parametrize("kind", ASSET_KINDS)
def test_every_column_of_an_asset_kind_is_documented(kind):
    text = (DOCS / "study.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{kind}` \|([^|]*)\|([^|]*)\|", text, re.MULTILINE)
    required, optional = (set(re.findall(r"`(\w+)`", cell)) for cell in row)
    columns = rating_columns(ASSET_KINDS[kind])
    assert required == {name for name, column in columns.items() if column["required"]}
    assert optional == {name for name, column in columns.items() if not column["required"]}


def test_every_other_column_and_key_of_a_study_is_documented():
    assert {field.name for field in fields(Asset)} | {"kind"} <= words("study.md", "## assets.csv")
    assert {field.name for field in fields(Member)} <= words("study.md", "## members.csv")
    assert {key for keys in KEYS.values() for key in keys} - {"time", "grid", "limits", "tasks"} <= words(
        "study.md", "## study.toml"
    )
    profiles = {f"<asset>.{suffix}" for suffix in SUFFIX_KINDS} | {OUTDOOR, "time"}
    assert profiles <= words("study.md", "## profiles.parquet, profiles.csv")
    assert set(PRICE_COLUMNS) <= words("study.md", "## prices.csv")
    assert set(OFFER_COLUMNS.every) <= words("study.md", "## offers.csv")
    assert set(SWITCH_COLUMNS.every) <= words("study.md", "## switches.csv")
    assert set(ORDER_COLUMNS.every) <= words("study.md", "## orders.csv")
    assert {phase for phase in CONNECTIONS if phase} <= words("study.md", "## members.csv")
    limits = {limit for limits in LIMIT_NAMES.values() for limit in limits}
    columns = {"element", "kind", "limit", "value", "time"}
    assert limits | columns <= words("study.md", "## limits.csv")


@pytest.mark.parametrize("task", sorted(tasks.CAPABILITIES))
def test_every_setting_of_a_task_is_documented_with_its_page(task):
    settings = tasks.CAPABILITIES[task].load().Settings
    assert {field.name for field in fields(settings)} <= words(f"{task}.md", "## Settings")


def test_every_mechanism_trigger_and_method_is_documented():
    assert {*MECHANISMS, *TRIGGERS, *SCENARIOS} <= words("trading.md")
    assert {method for methods in METHODS_OF_GOAL.values() for method in methods} <= words("switching.md")
    assert {*METHODS_OF_GOAL, *PLANNERS} <= words("switching.md", "## Settings")


def test_every_sharing_key_and_national_profile_is_documented():
    said = words("settlement.md")
    assert set(SHARING_KEYS) <= said and {f"{rules.country}, {rules.name}" for rules in RULES} <= said
    dates = {each.isoformat() for rules in RULES for each in (rules.valid_from, rules.valid_to) if each}
    text = (DOCS / "settlement.md").read_text(encoding="utf-8")
    assert {date for date in dates if date not in text} == set()


def test_every_command_and_option_is_documented():
    group = typer.main.get_command(cli.app)
    assert documented(group, "## gridcommons") == set()
    for name, command in group.commands.items():
        assert documented(command, f"## gridcommons {name}") == set()


@pytest.mark.parametrize("name", benchmarks.NAMES)
def test_every_benchmark_is_documented(name):
    assert words("benchmarks.md", f"## {name}")


def documented(command, heading):
    """Options of a command that its section does not name."""
    said = " ".join(words("cli.md", heading))
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    return {option for option in options - {"--help"} if option not in said.split()}


@pytest.fixture(scope="module", params=sorted(tasks.CAPABILITIES))
def result(request, tmp_path_factory):
    """Results of grids that hold and that do not, so that every table is there."""
    task = request.param
    chain, two_clusters, campus = (
        load_study(ROOT / "examples" / name) for name in ("chain", "two_clusters", "campus_high_voltage")
    )
    tight = {"homes": 24, "fixed_kw": 30.0}
    studies = {
        "envelopes": [chain, overloaded(chain)],
        "control": [control_study(days=2)],
        "flexibility": [
            squeezed(
                0.85, instruments=["tariff", "reprofiling"], tariff="coordinated", reprofiling=True, **tight
            ),
            squeezed(0.85, instruments=["market"], **tight),
            squeezed(0.4, instruments=["market"], price_max_per_kwh=0.6, **tight),
        ],
        "day": [
            asked(
                squeezed(0.85, instruments=["market"], **tight), task, without=["tariff"], worth=["market"]
            ),
            asked(two_clusters, task),
            campus,
        ],
        "scheduling": [campus, squeezed_band(campus, 1.0485)],
        "settlement": [
            worked_example(keys_compared=list(SHARING_KEYS), **EXAMPLE_TERMS),
            worked_example(benefit="shapley"),
        ],
        "switching": [
            asked(two_clusters, task),
            asked(overloaded(chain), task, objective="losses"),
            asked(overloaded(chain), task, objective="losses", method="search", bound_seconds=1.0),
        ],
        "trading": [
            asked(with_shared_battery(two_clusters), task, triggers_compared=[["send_on_delta", 10.0]]),
            asked(two_clusters, task),
        ],
    }
    results = [tasks.run(study, task) for study in studies[task]]
    return task, results + ([with_garbled_communities(campus)] if task == "scheduling" else [])


def squeezed_band(study, vm_max_pu):
    """The study with a lower end of the voltages that are too high."""
    highest = np.full_like(study.limits.vm_max_pu, vm_max_pu)
    return replace(study, limits=replace(study.limits, vm_max_pu=highest))


def with_garbled_communities(study):
    """The result of a study of scheduling whose communities answer nonsense."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scheduling, "Community", Garbled)
        return tasks.run(study, "scheduling")


def asked(study, task, **more):
    """The study with more settings of a task."""
    return replace(study, tasks={task: {**study.tasks.get(task, {}), **more}})


def with_shared_battery(study):
    """The study with a battery that its members own together."""
    first, *rest = (replace(member, battery_share=0.25) for member in study.community.members)
    sizes = {"charge_max_kw": 5.0, "discharge_max_kw": 5.0, "energy_kwh": 10.0}
    efficiency = {"charge_efficiency_share": 0.95, "discharge_efficiency_share": 0.95}
    energy = {"soc_initial_share": 0.5, "soc_min_share": 0.1, "soc_max_share": 0.9}
    store = Battery(asset="store", member=first.member, flexible=True, **sizes, **efficiency, **energy)
    community = Community((first, *rest), (*study.community.assets, store))
    return replace(study, community=community)


def overloaded(study):
    """The study with loads that break the voltage band even with everyone at rest."""
    heavy = {name: 3.0 * column for name, column in study.profiles.columns.items()}
    return replace(study, profiles=replace(study.profiles, columns=heavy))


def test_every_table_and_column_is_documented(result):
    task, results = result
    tables = {name: table for each in results for name, table in each.tables.items()}
    # Tables that are left out where they would be empty.
    rare = {
        "envelopes": {"violations", "unresolved"},
        "control": {"measure_calls"},
        "day": {
            "commitments",
            "day_envelopes",
            "postings",
            "statements",
            "switch_states",
            "violations",
            "worth",
        },
        "flexibility": {"coordination_trials", "reprofiling_calls", "awards", "shortages"},
        "scheduling": {"reactive_purchases", "reactive_shortages", "refusals", "settlement", "violations"},
        "settlement": {"keys_compared", "postings"},
        "switching": {"operations", "switch_flows", "switching_gap", "losses", "violations"},
        "trading": {"operations", "orders", "trades", "switching_gap", "batteries"},
    }
    assert rare[task] <= set(tables)
    for name, table in tables.items():
        assert set(table.columns) <= words("results.md", f"### {name}"), name


def test_every_key_of_summary_and_provenance_is_documented(result):
    task, (one, *others) = result
    summary = words("results.md", f"## Summary of {task}")
    assert {key for each in (one, *others) for key in each.summary} <= summary
    for name in ("objectives", "scenarios", "communities"):
        parts = one.summary.get(name, {})
        assert {key for each in parts.values() for key in each} <= summary
    assert {key for each in one.summary.get("compared", []) for key in each} <= summary
    assert set(one.provenance) <= words("results.md", "## Provenance")


def test_what_the_documentation_says_of_exit_codes_holds():
    text = (DOCS / "conventions.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| (\d) \|$", text, re.MULTILINE))
    codes = {kind.__name__: str(code) for kind, code in cli.EXIT_CODES.items() if code > 1}
    assert said == codes
