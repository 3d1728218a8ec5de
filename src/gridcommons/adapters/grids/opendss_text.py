"""The script language of OpenDSS: files as a list of commands, values as numbers, lists and matrices.

Source: Electric Power Research Institute, "OpenDSS Reference Guide", chapters on the command language: names
are not case-sensitive, ``!`` and ``//`` start a comment, ``~`` goes on with the element before, a value in
brackets or quotes is a list or, where a number is expected, arithmetic in reverse Polish notation.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gridcommons.adapters.problems import Place, ProblemList
from gridcommons.model.grid import FloatArray

_CLOSES = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}
_NAME = re.compile(r"[\s,]*(?P<name>[^\s,=(\[{\"']+)\s*=\s*")
_BARE = re.compile(r"[^\s,=]+")
_GAP = re.compile(r"[\s,]*")
_BINARY: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": math.pow,
}
_UNARY: dict[str, Callable[[float], float]] = {
    "sqr": lambda x: x * x,
    "sqrt": math.sqrt,
    "inv": lambda x: 1.0 / x,
    "ln": math.log,
    "exp": math.exp,
    "log10": math.log10,
}
_CONTINUES = ("~", "more", "m")
_INCLUDES = ("redirect", "compile")


@dataclass(frozen=True)
class Parameter:
    """One value of a command.

    Parameters
    ----------
    name : str
        Name in lower case; empty where the value is told by its position.
    text : str
        The value, without the brackets around it.
    is_bracketed : bool
        Whether it stood in brackets or quotes.
    place : Place
        File and line.
    folder : Path
        What names of files in it are relative to.
    """

    name: str
    text: str
    is_bracketed: bool
    place: Place
    folder: Path = Path()

    def number(self, problems: ProblemList) -> float:
        """The value as a number; NaN, and a problem, where it is none."""
        try:
            value = _polish(self.text) if self.is_bracketed else float(self.text)
        except (ValueError, IndexError, ArithmeticError):
            value = math.nan
        if not math.isfinite(value):
            self.refuse(problems, "a number")
            return math.nan
        return value

    def count(self, problems: ProblemList) -> int:
        """The value as a whole number from 1 up; 1, and a problem, where it is none."""
        value = self.number(problems)
        if math.isnan(value):
            return 1
        if value != int(value) or value < 1:
            self.refuse(problems, "a whole number from 1 up")
            return 1
        return int(value)

    def flag(self, problems: ProblemList) -> bool:
        """The value as yes or no (``y``, ``t``, ``n``, ``f`` and what begins so)."""
        first = self.text.strip()[:1].lower()
        if not first or first not in "ytnf":
            self.refuse(problems, "yes or no")
        return first in ("y", "t")

    def words(self) -> list[str]:
        """The value as a list of words."""
        return [word for word in re.split(r"[\s,]+", self.text.strip()) if word]

    def numbers(self, problems: ProblemList) -> FloatArray:
        """The value as a list of numbers; empty, and a problem, where it is none."""
        try:
            values = np.array([float(word) for word in self.words()])
        except ValueError:
            values = np.zeros(0)
        if not len(values) or not np.isfinite(values).all():
            self.refuse(problems, "numbers")
            return np.zeros(0)
        return values

    def matrix(self, size: int, problems: ProblemList) -> FloatArray:
        """The value as a symmetric matrix, given whole or as its lower triangle, rows parted by ``|``."""
        try:
            rows = [
                [float(word) for word in re.split(r"[\s,]+", row.strip())] for row in self.text.split("|")
            ]
        except ValueError:
            rows = []
        lengths = [len(row) for row in rows]
        matrix = np.zeros((size, size))
        if lengths == [size] * size:
            matrix = np.array(rows)
        elif lengths == list(range(1, size + 1)):
            for index, row in enumerate(rows):
                matrix[index, : index + 1] = matrix[: index + 1, index] = row
        else:
            self.refuse(problems, f"a symmetric matrix of {size} rows, or its lower triangle")
        if not (np.isfinite(matrix).all() and np.array_equal(matrix, matrix.T)):
            self.refuse(problems, "a symmetric matrix of finite numbers")
            return np.zeros((size, size))
        return matrix

    def refuse(self, problems: ProblemList, expected: str, suggestion: str = "") -> None:
        """Note that this value is not what was expected."""
        what = f"{self.name} = {self.text!r}" if self.name else repr(self.text)
        problems.add(self.place, what, expected, suggestion)


@dataclass(frozen=True)
class Command:
    """One line of a script.

    Parameters
    ----------
    verb : str
        What it does, in lower case: ``new``, ``edit``, ``more``, ``set``, ...; the line
        ``Line.L1.length=2`` is ``edit`` of the object ``Line.L1``.
    parameters : tuple of Parameter
        What stands behind the verb.
    place : Place
        File and line.
    """

    verb: str
    parameters: tuple[Parameter, ...]
    place: Place


def read_script(path: Path, problems: ProblemList) -> list[Command]:
    """The commands of a script and of all that it redirects to, in order."""
    reader = _Script(path.parent, problems)
    return list(reader.read(path))


def file_in(folder: Path, name: str) -> Path:
    """A file as a script names it: with either slash, and in either case where only one fits."""
    path = folder
    for part in Path(name.replace("\\", "/")).parts:
        beside = path
        path = beside / part
        if not path.exists() and beside.is_dir():
            alike = [other for other in beside.iterdir() if other.name.lower() == part.lower()]
            path = alike[0] if len(alike) == 1 else path
    return path


def read_text_file(path: Path, place: Place, problems: ProblemList) -> str:
    """The text of a file that a script names; empty, and a problem, where it cannot be read."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        problems.add(place, f"{str(path)!r}, which cannot be read ({error.strerror})", "a readable file")
        return ""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def split_parameters(
    line: str, place: Place, problems: ProblemList, folder: Path = Path()
) -> list[Parameter]:
    """The values of a line without comment, each with its name where it has one."""
    found: list[Parameter] = []
    at = _after_gap(line, 0)
    while at < len(line):
        named = _NAME.match(line, at)
        name = named["name"].lower() if named else ""
        at = named.end() if named else at
        text, is_bracketed, end = _value(line, at)
        if end < 0:
            problems.add(place, line[at:].strip(), f"a closing {_CLOSES[line[at]]}")
            return found
        if end == at:
            problems.add(place, f"{line[at:].strip() or name!r}", "a value")
            return found
        found.append(Parameter(name, text, is_bracketed, place, folder))
        at = _after_gap(line, end)
    return found


@dataclass
class _Script:
    folder: Path
    problems: ProblemList
    open_files: list[Path] = field(default_factory=list)

    def read(self, path: Path, place: Place | None = None) -> Iterator[Command]:
        where = place or Place(path.name)
        if path.resolve() in self.open_files:
            self.problems.add(
                where, f"{path.name!r}, which is being read already", "a file that does not include itself"
            )
            return
        text = read_text_file(path, where, self.problems)
        self.open_files.append(path.resolve())
        for number, line in enumerate(_code_lines(text), 1):
            place = Place(path.name, row=number)
            parameters = split_parameters(line, place, self.problems, self.folder)
            if parameters:
                yield from self._command(parameters)
        self.open_files.pop()

    def _command(self, parameters: list[Parameter]) -> Iterator[Command]:
        first, rest = parameters[0], tuple(parameters[1:])
        verb = first.text.lower()
        if first.name:
            edit = _edit_of(first, self.problems)
            if edit:
                yield Command("edit", (*edit, *rest), first.place)
        elif verb in _INCLUDES and rest:
            yield from self._include(verb, rest[0])
        else:
            word = "more" if verb in _CONTINUES else verb
            yield Command(word, rest, first.place)

    def _include(self, verb: str, name: Parameter) -> Iterator[Command]:
        path, before = file_in(self.folder, name.text), self.folder
        self.folder = path.parent
        yield from self.read(path, name.place)
        # Compile stays in the folder of the file, Redirect comes back from it.
        self.folder = path.parent if verb == "compile" else before


def _edit_of(first: Parameter, problems: ProblemList) -> tuple[Parameter, Parameter] | None:
    """``class.name.property=value`` as the object and the property; an object may have dots in its name."""
    target, _, prop = first.name.rpartition(".")
    if "." not in target:
        first.refuse(problems, "a command, or class.name.property=value")
        return None
    return (
        Parameter("object", target, False, first.place),
        replace(first, name=prop),
    )


def _code_lines(text: str) -> Iterator[str]:
    """The lines without comments; a continuation mark stands alone."""
    is_comment = False
    for line in text.splitlines():
        is_comment = is_comment or line.lstrip().startswith("/*")
        code = "" if is_comment else _without_comment(line).strip()
        yield f"~ {code[1:]}" if code.startswith("~") else code
        is_comment = is_comment and "*/" not in line


def _without_comment(line: str) -> str:
    closing = ""
    for at, mark in enumerate(line):
        if closing:
            closing = "" if mark == closing else closing
        elif mark in _CLOSES:
            closing = _CLOSES[mark]
        elif mark == "!" or line.startswith("//", at):
            return line[:at]
    return line


def _value(line: str, at: int) -> tuple[str, bool, int]:
    """Text, whether it is bracketed, and where it ends; the end is -1 where a bracket stays open."""
    if line[at : at + 1] in _CLOSES and at < len(line):
        end = line.find(_CLOSES[line[at]], at + 1)
        return line[at + 1 : end], True, end + 1 if end >= 0 else -1
    bare = _BARE.match(line, at)
    return (bare[0], False, bare.end()) if bare else ("", False, at)


def _after_gap(line: str, at: int) -> int:
    gap = _GAP.match(line, at)
    return gap.end() if gap else at


def _polish(text: str) -> float:
    """Value of an expression in reverse Polish notation."""
    stack: list[float] = []
    for word in re.split(r"[\s,]+", text.strip().lower()):
        if word in _BINARY:
            right = stack.pop()
            stack.append(_BINARY[word](stack.pop(), right))
        elif word in _UNARY:
            stack.append(_UNARY[word](stack.pop()))
        else:
            stack.append(float(word))
    if len(stack) != 1:
        raise ValueError("one value must be left")
    return stack[0]
