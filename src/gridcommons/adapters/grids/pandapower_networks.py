"""Opens the networks that a study may name: files, pandapower's own, SimBench codes, MATPOWER cases."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gridcommons.adapters.grids.matpower import read_case
from gridcommons.adapters.grids.matpower_networks import network_of_case
from gridcommons.adapters.grids.schutterwald import join_behind_station
from gridcommons.adapters.problems import listed
from gridcommons.model.errors import MissingExtraError, Problem, StudyError, did_you_mean

PREFIXES = ("pandapower", "simbench", "matpower")


def open_net(
    source: str | Path, options: Mapping[str, Any] | None = None, *, folder: Path | None = None
) -> Any:
    """Open the pandapower network that a study names.

    Parameters
    ----------
    source : str or Path
        A pandapower JSON file, ``pandapower:NAME`` (a bundled network), ``simbench:CODE`` or
        ``matpower:FILE.m``.
    options : mapping, optional
        Keyword arguments of a bundled network; for ``lv_schutterwald`` also ``sections``, the numbers
        of the substation areas to keep, and ``join = true`` to connect these behind the 110/20 kV
        station of the region.
    folder : Path, optional
        Where relative file names start; the working directory by default.

    Returns
    -------
    pandapowerNet
        The network.

    Raises
    ------
    StudyError
        If there is no such file, network or code, an option is unknown, or the file cannot be read.
    MissingExtraError
        If a SimBench code is asked for and simbench is not installed.
    """
    given = dict(options or {})
    prefix, colon, rest = str(source).partition(":")
    if not colon or isinstance(source, Path) or (len(prefix) == 1 and rest[:1] in "\\/"):
        _refuse_options(str(source), given, ())
        return _open_json((folder or Path()) / source)
    if prefix == "pandapower":
        return _open_bundled(rest, given)
    if prefix not in PREFIXES:
        raise _refused(
            str(source),
            f"a source of kind {prefix!r}",
            f"a file, or one of {', '.join(PREFIXES)} before the colon",
            did_you_mean(prefix, PREFIXES),
        )
    _refuse_options(str(source), given, ())
    if prefix == "simbench":
        return _open_simbench(rest)
    return network_of_case(read_case((folder or Path()) / rest))


def bundled_networks() -> dict[str, Callable[..., Any]]:
    """Every network that pandapower bundles, by its own name and without ``create_`` and ``network``."""
    import pandapower.networks as networks

    found: dict[str, Callable[..., Any]] = {}
    for name, function in inspect.getmembers(networks, inspect.isfunction):
        if not function.__module__.startswith("pandapower.networks") or _needs_arguments(function):
            continue
        short = name.removeprefix("create_")
        for alias in (name, short, short.replace("cigre_network", "cigre")):
            found[alias] = function
    return found


def _needs_arguments(function: Callable[..., Any]) -> bool:
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters = inspect.signature(function).parameters.values()
    return any(p.default is p.empty and p.kind not in kinds for p in parameters)


def _open_bundled(name: str, options: dict[str, Any]) -> Any:
    source = f"pandapower:{name}"
    known = bundled_networks()
    if name not in known:
        suggestion = did_you_mean(name, known)
        raise _refused(source, f"network {name!r}", "a network that pandapower bundles", suggestion)
    parameters = inspect.signature(known[name]).parameters.values()
    allowed = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} - {"separation_by_sub"}
    own = ("sections", "join") if name == "lv_schutterwald" else ()
    sections, join = (options.pop(key, None) if key in own else None for key in ("sections", "join"))
    _refuse_options(source, options, allowed | set(own))
    if join is not None and (not isinstance(join, bool) or (join and sections is None)):
        raise _refused(source, f"join = {join!r} with sections = {sections}", "join = true beside sections")
    try:
        net = known[name](**options)
    except (ValueError, KeyError, TypeError, UserWarning) as error:
        raise _refused(source, f"options {options}", "values that pandapower accepts", str(error)) from error
    if sections is None:
        return net
    kept = _select_sections(net, sections, source)
    return join_behind_station(kept) if join else kept


def _select_sections(net: Any, sections: Any, source: str) -> Any:
    """The areas of these substations, counted as by ``lv_schutterwald(separation_by_sub=True)``."""
    from pandapower.toolbox import select_subnet
    from pandapower.topology import connected_components, create_nxgraph

    areas = [sorted(area) for area in connected_components(create_nxgraph(net))]
    numbers = sections if isinstance(sections, list | tuple) else [sections]
    good = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < len(areas) for n in numbers)
    if not numbers or not good or len(set(numbers)) < len(numbers):
        raise _refused(source, f"sections = {sections}", f"different numbers from 0 to {len(areas) - 1}")
    buses = [bus for number in numbers for bus in areas[number]]
    return select_subnet(net, buses=buses, include_switch_buses=False, keep_everything_else=True)


def _open_json(path: Path) -> Any:
    if not path.is_file():
        raise _refused(str(path), "no such file", "a pandapower network in JSON")
    import pandapower

    try:
        net = pandapower.from_json(str(path))
    except Exception as error:  # pandapower raises whatever its parsers raise
        said = f"{type(error).__name__}: {error}"
        raise _refused(path.name, said, "a pandapower network in JSON") from error
    if not isinstance(net, pandapower.pandapowerNet):
        raise _refused(path.name, f"a JSON {type(net).__name__}", "a pandapower network in JSON")
    return net


def _open_simbench(code: str) -> Any:
    if importlib.util.find_spec("simbench") is None:
        raise MissingExtraError("simbench", "simbench")
    import simbench

    codes = simbench.collect_all_simbench_codes()
    if code not in codes:
        suggestion = did_you_mean(code, codes)
        raise _refused(f"simbench:{code}", f"code {code!r}", "a SimBench code", suggestion)
    return simbench.get_simbench_net(code)


def _refuse_options(source: str, options: Mapping[str, Any], allowed: Iterable[str]) -> None:
    known = sorted(allowed)
    problems = [
        Problem(
            source,
            f"option {name!r}",
            f"one of {listed(known, 20)}" if known else "no options for this source",
            did_you_mean(name, known),
            table="grid",
        )
        for name in options
        if name not in known
    ]
    if problems:
        raise StudyError(problems)


def _refused(source: str, found: str, expected: str, suggestion: str = "") -> StudyError:
    return StudyError([Problem(source, found, expected, suggestion, table="grid")])
