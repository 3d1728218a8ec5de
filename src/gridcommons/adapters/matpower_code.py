"""Reads MATPOWER case files: the subset of MATLAB in which data files are written, and no more.

A case file (version 2) assigns matrices to fields of ``mpc``, and distribution cases convert kW to
MW and ohm to per unit by a few lines of arithmetic at their end. Both are read by a small parser of
our own. A statement that it does not understand is a problem with its line number, never skipped.
Format: MATPOWER User's Manual, appendix B; R. D. Zimmerman, C. E. Murillo-Sanchez.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gridcommons.model.grid import FloatArray

BUS_COLUMNS = ("BUS_I BUS_TYPE PD QD GS BS BUS_AREA VM VA BASE_KV ZONE VMAX VMIN").split()
BRANCH_COLUMNS = (
    "F_BUS T_BUS BR_R BR_X BR_B RATE_A RATE_B RATE_C TAP SHIFT BR_STATUS ANGMIN ANGMAX"
).split()
GEN_COLUMNS = "GEN_BUS PG QG QMAX QMIN VG MBASE GEN_STATUS PMAX PMIN".split()
CONSTANTS = {
    name: float(place)
    for columns in (BUS_COLUMNS, BRANCH_COLUMNS, GEN_COLUMNS)
    for place, name in enumerate(columns, start=1)
} | {"PQ": 1.0, "PV": 2.0, "REF": 3.0, "NONE": 4.0}
"""Column numbers, from 1, and bus types by the names that MATPOWER's ``idx_*`` give them."""

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "acos": np.arccos,
    "asin": np.arcsin,
    "atan": np.arctan,
    "sqrt": np.sqrt,
    "abs": np.abs,
}

_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*(?:\.\w+)?)"
    r"|(?P<text>'(?:[^'\n]|'')*')|(?P<sign>\.[*/^]|[-+*/^()\[\]{},;:=])|(?P<newline>\n)|(?P<space>[ \t\r]+)"
)


class CodeError(ValueError):
    """A statement that is not understood: where it starts and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


class Token(NamedTuple):
    """One word of the file: its kind, its text, its line and whether blank space precedes it."""

    kind: str
    text: str
    line: int
    spaced: bool


@dataclass
class CaseCode:
    """What a case file says: its fields, and the statements that were not understood."""

    fields: dict[str, Any] = field(default_factory=dict)
    not_understood: list[tuple[int, str]] = field(default_factory=list)


def read_code(text: str) -> CaseCode:
    """Run a case file's assignments and return the fields of ``mpc``."""
    code = CaseCode()
    names: dict[str, Any] = {}
    lines = text.splitlines()
    for statement in _statements(_tokens(text, code)):
        try:
            _run(statement, names)
        except CodeError as error:
            said = lines[error.line - 1].strip()
            code.not_understood.append((error.line, f"{said!r} ({error})"))
    code.fields = {name.removeprefix("mpc."): value for name, value in names.items() if name.startswith("mpc.")}
    return code


def _tokens(text: str, code: CaseCode) -> list[Token]:
    tokens: list[Token] = []
    for number, line in enumerate(text.splitlines(), start=1):
        body, continued = _without_comment(line)
        at, spaced = 0, False
        while at < len(body):
            match = _TOKEN.match(body, at)
            if match is None:
                code.not_understood.append((number, f"{line.strip()!r} (character {body[at]!r})"))
                break
            kind = str(match.lastgroup)
            if kind == "space":
                spaced = True
            else:
                tokens.append(Token(kind, match.group(), number, spaced))
                spaced = False
            at = match.end()
        if not continued:
            tokens.append(Token("newline", "\n", number, False))
    return tokens


def _without_comment(line: str) -> tuple[str, bool]:
    """The line up to its comment, and whether it goes on in the next (``...``)."""
    quoted = False
    for at, letter in enumerate(line):
        if letter == "'":
            quoted = not quoted
        elif not quoted and letter == "%":
            return line[:at], False
        elif not quoted and line.startswith("...", at):
            return line[:at], True
    return line, False


def _statements(tokens: list[Token]) -> list[list[Token]]:
    """Split at line ends and semicolons outside brackets."""
    statements: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
        if depth <= 0 and token.text in (";", "\n"):
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def _run(statement: list[Token], names: dict[str, Any]) -> None:
    first = statement[0]
    words = [token.text for token in statement]
    if first.text == "function" or words in (["end"], ["return"], ["define_constants"]):
        return
    equals = words.index("=") if "=" in words else -1
    if equals < 0:
        raise CodeError(first.line, "neither an assignment nor a comment")
    target, value = statement[:equals], statement[equals + 1 :]
    if target[0].text == "[" and words[equals + 1 :] in (["idx_bus"], ["idx_brch"], ["idx_gen"]):
        _check_constants(target)
        return
    result = _Expression(value, names, first.line).whole()
    if len(target) == 1 and first.kind == "name":
        names[first.text] = result.copy() if isinstance(result, np.ndarray) else result
        return
    _assign_columns(target, result, names)


def _check_constants(target: list[Token]) -> None:
    """``[A, B, ...] = idx_bus`` only names columns: MATPOWER's own order is taken for granted."""
    if any(token.kind not in ("name", "sign") for token in target):
        raise CodeError(target[0].line, "only names can be given column numbers")


def _assign_columns(target: list[Token], result: Any, names: dict[str, Any]) -> None:
    """``mpc.bus(:, [PD QD]) = …``: put columns in their places."""
    reader = _Expression(target, names, target[0].line)
    matrix, rows, columns = reader.reference()
    reader.expect_end()
    if rows is not None:
        raise CodeError(target[0].line, "only whole columns can be assigned")
    if np.ndim(result) and np.shape(result) != (len(matrix), len(columns)):
        raise CodeError(target[0].line, "another number of columns than it is assigned to")
    matrix[:, columns] = result


class _Expression:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, tokens: list[Token], names: dict[str, Any], line: int) -> None:
        self.tokens, self.names, self.line, self.at = tokens, names, line, 0

    def whole(self) -> Any:
        """The value of all tokens."""
        value = self.total()
        self.expect_end()
        return value

    def expect_end(self) -> None:
        """Raise if something is left over."""
        if self.at < len(self.tokens):
            raise self.wrong(f"{self.tokens[self.at].text!r} where the statement should end")

    def wrong(self, why: str) -> CodeError:
        line = self.tokens[min(self.at, len(self.tokens) - 1)].line if self.tokens else self.line
        return CodeError(line, why)

    def peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def take(self, *wanted: str) -> Token:
        if self.at >= len(self.tokens) or (wanted and self.tokens[self.at].text not in wanted):
            raise self.wrong(f"expected {' or '.join(wanted) or 'more'}, found {self.peek() or 'nothing'!r}")
        self.at += 1
        return self.tokens[self.at - 1]

    def total(self) -> Any:
        value = self.product()
        while self.peek() in ("+", "-"):
            sign = self.take().text
            value = value + self.product() if sign == "+" else value - self.product()
        return value

    def product(self) -> Any:
        value = self.factor()
        while self.peek() in ("*", "/", ".*", "./"):
            sign = self.take().text
            other = self.factor()
            if not sign.startswith(".") and np.ndim(other) and (sign == "/" or np.ndim(value)):
                raise self.wrong("a product or quotient of matrices")
            value = value * other if sign.endswith("*") else value / other
        return value

    def factor(self) -> Any:
        if self.peek() in ("-", "+"):
            sign = self.take().text
            return -self.factor() if sign == "-" else self.factor()
        value = self.atom()
        while self.peek() in ("^", ".^"):
            sign = self.take().text
            if sign == "^" and np.ndim(value):
                raise self.wrong("a power of a matrix")
            value = value**self.exponent()
        return value

    def exponent(self) -> Any:
        if self.peek() in ("-", "+"):
            return -self.exponent() if self.take().text == "-" else self.exponent()
        return self.atom()

    def atom(self) -> Any:
        token = self.take()
        if token.kind == "number":
            return float(token.text.lower().replace("d", "e"))
        if token.kind == "text":
            return _unquoted(token.text)
        if token.text == "(":
            value = self.total()
            self.take(")")
            return value
        if token.text in ("[", "{"):
            self.at -= 1
            return self.matrix() if token.text == "[" else self.cell()
        if token.kind != "name":
            raise self.wrong(f"{token.text!r}")
        return self.named(token)

    def named(self, token: Token) -> Any:
        name = token.text
        if name in FUNCTIONS and self.peek() == "(":
            self.take("(")
            value = FUNCTIONS[name](self.total())
            self.take(")")
            return value
        if self.peek() == "(":
            self.at -= 1
            matrix, rows, columns = self.reference()
            picked = matrix[:, columns] if rows is None else matrix[rows, columns]
            return float(picked[0]) if rows is not None and len(columns) == 1 else picked
        for known in (self.names, CONSTANTS, {"pi": math.pi, "Inf": math.inf, "inf": math.inf}):
            if name in known:
                return known[name]
        raise self.wrong(f"{name!r} is not known")

    def reference(self) -> tuple[FloatArray, int | None, list[int]]:
        """``NAME(:, COLUMNS)`` or ``NAME(ROW, COLUMN)``: matrix, row from 0 (None = all), columns from 0."""
        name = self.take().text
        matrix = self.names.get(name)
        if not isinstance(matrix, np.ndarray):
            raise self.wrong(f"{name!r} is not a matrix given above")
        self.take("(")
        row = None
        if self.peek() == ":":
            self.take(":")
        else:
            row = self.place(self.total(), matrix.shape[0])
        self.take(",")
        places = np.atleast_1d(np.asarray(self.total(), dtype=float)).ravel()
        self.take(")")
        return matrix, row, [self.place(place, matrix.shape[1]) for place in places.tolist()]

    def place(self, number: Any, size: int) -> int:
        if np.ndim(number) or number != int(number) or not 1 <= number <= size:
            raise self.wrong(f"no row or column {number} in a matrix of {size}")
        return int(number) - 1

    def matrix(self) -> FloatArray:
        """``[a b; c d]``: rows end at semicolons and line ends, entries at commas and blank space."""
        opened = self.take("[")
        rows: list[list[float]] = [[]]
        while self.peek() != "]":
            if self.at >= len(self.tokens):
                raise CodeError(opened.line, "a matrix that does not end")
            if self.peek() in (";", "\n"):
                self.take()
                rows.append([])
            elif self.peek() == ",":
                self.take()
            else:
                rows[-1].append(self.entry())
        self.take("]")
        full = [row for row in rows if row]
        if len({len(row) for row in full}) > 1:
            raise CodeError(opened.line, "a matrix with rows of different length")
        return np.array(full, dtype=float).reshape(len(full), len(full[0]) if full else 0)

    def entry(self) -> float:
        """One entry: an expression that ends at blank space (``[1 -2]`` has two, ``[1 - 2]`` one)."""
        start, depth = self.at, 0
        if self.ends_after_number():
            return float(self.take().text.lower().replace("d", "e"))
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if depth == 0 and token.text in ("]", ",", ";", "\n"):
                break
            if depth == 0 and self.at > start and token.spaced and self.splits(token):
                break
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            self.at += 1
        value = _Expression(self.tokens[start : self.at], self.names, self.line).whole()
        if np.ndim(value) or isinstance(value, str):
            raise self.wrong("an entry that is no number")
        return float(value)

    def ends_after_number(self) -> bool:
        """Whether the next entry is a bare number, as nearly all are."""
        if self.tokens[self.at].kind != "number" or self.at + 1 >= len(self.tokens):
            return False
        after = self.tokens[self.at + 1]
        return after.text in ("]", ",", ";", "\n") or (after.spaced and after.kind == "number")

    def splits(self, token: Token) -> bool:
        """Whether blank space before this token starts a new entry."""
        before = self.tokens[self.at - 1]
        if before.text in ("+", "-", "*", "/", "^"):
            return False
        if token.text in ("+", "-"):
            after = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else token
            return not after.spaced
        return token.kind in ("number", "name") or token.text == "("

    def cell(self) -> list[str]:
        """``{'a'; 'b'}``: a list of words."""
        self.take("{")
        words = []
        while self.peek() != "}":
            token = self.take()
            if token.kind == "text":
                words.append(_unquoted(token.text))
            elif token.kind == "number":
                words.append(token.text)
            elif token.text not in (";", ",", "\n"):
                raise self.wrong(f"{token.text!r} in a list of words")
        self.take("}")
        return words


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")
