"""Reads settings from the table of a study that holds them, and says all that is wrong with it.

The settings of a task, or of whatever else has a table, are a frozen dataclass; its fields are the keys
that the table may have, their types say what a value must look like, and a field without default must be
given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from gridcommons.model.errors import Problem, StudyError, did_you_mean

FILE = "study.toml"

S = TypeVar("S")

_PLAIN_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    NoneType: "nothing",
}


class _MisfitError(Exception):
    """A value that does not look like its type; the message says what was found."""


def read_settings(kind: type[S], table: Mapping[str, Any], name: str, within: str = "tasks.") -> S:
    """The settings of a task as its dataclass, checked against the types of its fields.

    Parameters
    ----------
    kind : type
        The dataclass of the settings.
    table : mapping
        The ``[tasks.NAME]`` table as written; lists become tuples, whole numbers floats where asked.
    name : str
        Name of the task, for the place of a problem.
    within : str
        What stands before the name in the heading of the table.

    Raises
    ------
    StudyError
        With every unknown key, missing key and value of the wrong type at once, or with what the
        dataclass itself refuses (a ValueError from its ``__post_init__``).
    """
    problems = settings_problems(kind, table, name, within)
    if problems:
        raise StudyError(problems)
    return kind(**_values(kind, table))


def settings_problems(
    kind: type[Any], table: Mapping[str, Any], name: str, within: str = "tasks."
) -> list[Problem]:
    """Everything that is wrong with a task's table; empty where it can be read."""
    name = within + name
    hints, known = get_type_hints(kind), {column.name: column for column in fields(kind)}
    problems = [_unknown(key, known, name) for key in table if key not in known]
    for key, column in known.items():
        expected = describe(hints[key])
        if key not in table:
            if _is_required(column):
                problems.append(_problem(name, key, "nothing", expected))
            continue
        try:
            _read(table[key], hints[key])
        except _MisfitError as misfit:
            problems.append(_problem(name, key, str(misfit), expected))
    return problems or _refusal(kind, table, name)


def suggest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` for the closest known word, else the known words themselves."""
    names = sorted(known)
    return did_you_mean(word, names) or f"known: {', '.join(names) or 'none'}"


def describe(hint: Any) -> str:
    """A type in the words of someone who writes a study: ``a list of text in quotes``."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(repr(choice) for choice in args)
    if origin in (UnionType, Union):
        return " or ".join(describe(arg) for arg in args if arg is not NoneType)
    if origin is tuple:
        return f"a list of {describe(args[0])}" if Ellipsis in args else _described_row(args)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a table of {describe(args[1])}"
    return _PLAIN_WORDS[hint]


def _described_row(args: tuple[Any, ...]) -> str:
    return f"a list of {len(args)}: " + ", ".join(describe(arg) for arg in args)


def _values(kind: type[Any], table: Mapping[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {key: _read(value, hints[key]) for key, value in table.items()}


def _refusal(kind: type[Any], table: Mapping[str, Any], name: str) -> list[Problem]:
    """What the dataclass itself says against values of the right types."""
    try:
        kind(**_values(kind, table))
    except ValueError as error:
        return [
            Problem(file=FILE, table=name, found=found, expected=expected or "settings that fit")
            for found, _, expected in (said.partition(", expected ") for said in _each(str(error)))
        ]
    return []


def _each(said: str) -> list[str]:
    """The parts of a message that each say what they expected; the message itself where they do not."""
    parts = said.split("; ")
    return parts if all(", expected " in part for part in parts) else [said]


def _read(value: Any, hint: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _checked(value, any(value == choice and type(value) is type(choice) for choice in args))
    if origin in (UnionType, Union):
        return _read_union(value, args)
    if origin is tuple:
        return _read_list(value, args)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _checked(value, isinstance(value, Mapping))
        return {key: _read(item, args[1]) for key, item in value.items()}
    if hint is float:
        _checked(value, isinstance(value, int | float) and not isinstance(value, bool))
        return float(_checked(value, math.isfinite(value)))
    return _checked(value, type(value) is hint)


def _read_union(value: Any, args: tuple[Any, ...]) -> Any:
    for arg in args:
        try:
            return _read(value, arg)
        except _MisfitError:
            continue
    raise _MisfitError(repr(value))


def _read_list(value: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    _checked(value, isinstance(value, list | tuple))
    if Ellipsis in args:
        return tuple(_read(item, args[0]) for item in value)
    _checked(value, len(value) == len(args))
    return tuple(_read(item, arg) for item, arg in zip(value, args, strict=True))


def _checked(value: Any, fits: bool) -> Any:
    if not fits:
        raise _MisfitError(repr(value))
    return value


def _is_required(column: Field[Any]) -> bool:
    return column.default is MISSING and column.default_factory is MISSING


def _unknown(key: str, known: Iterable[str], name: str) -> Problem:
    return _problem(name, key, "an unknown key", "a known key", suggest(key, known))


def _problem(name: str, key: str, found: str, expected: str, suggestion: str = "") -> Problem:
    return Problem(
        file=FILE,
        table=name,
        column=key,
        found=found,
        expected=expected,
        suggestion=suggestion,
    )
