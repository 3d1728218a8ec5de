"""Arithmetic and matrices of MATPOWER case files: the value of one expression."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gridcommons.model.grid import FloatArray

BUS_COLUMNS = [
    "BUS_I",
    "BUS_TYPE",
    "PD",
    "QD",
    "GS",
    "BS",
    "BUS_AREA",
    "VM",
    "VA",
    "BASE_KV",
    "ZONE",
    "VMAX",
    "VMIN",
]
BRANCH_COLUMNS = [
    "F_BUS",
    "T_BUS",
    "BR_R",
    "BR_X",
    "BR_B",
    "RATE_A",
    "RATE_B",
    "RATE_C",
    "TAP",
    "SHIFT",
    "BR_STATUS",
    "ANGMIN",
    "ANGMAX",
]
GEN_COLUMNS = ["GEN_BUS", "PG", "QG", "QMAX", "QMIN", "VG", "MBASE", "GEN_STATUS", "PMAX", "PMIN"]
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


class Expression:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, tokens: list[Token], names: dict[str, Any], line: int) -> None:
        self._tokens, self._names, self._line, self._at = tokens, names, line, 0

    def whole(self) -> Any:
        """The value of all tokens."""
        value = self._total()
        self.expect_end()
        return value

    def expect_end(self) -> None:
        """Raise if something is left over."""
        if self._at < len(self._tokens):
            raise self._wrong(f"{self._tokens[self._at].text!r} where the statement should end")

    def _wrong(self, why: str) -> CodeError:
        line = self._tokens[min(self._at, len(self._tokens) - 1)].line if self._tokens else self._line
        return CodeError(line, why)

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _take(self, *wanted: str) -> Token:
        if self._at >= len(self._tokens) or (wanted and self._tokens[self._at].text not in wanted):
            raise self._wrong(
                f"expected {' or '.join(wanted) or 'more'}, found {self._peek() or 'nothing'!r}"
            )
        self._at += 1
        return self._tokens[self._at - 1]

    def _total(self) -> Any:
        value = self._product()
        while self._peek() in ("+", "-"):
            sign = self._take().text
            value = value + self._product() if sign == "+" else value - self._product()
        return value

    def _product(self) -> Any:
        value = self._factor()
        while self._peek() in ("*", "/", ".*", "./"):
            sign = self._take().text
            other = self._factor()
            if not sign.startswith(".") and np.ndim(other) and (sign == "/" or np.ndim(value)):
                raise self._wrong("a product or quotient of matrices")
            value = value * other if sign.endswith("*") else value / other
        return value

    def _factor(self) -> Any:
        if self._peek() in ("-", "+"):
            sign = self._take().text
            return -self._factor() if sign == "-" else self._factor()
        value = self._atom()
        while self._peek() in ("^", ".^"):
            sign = self._take().text
            if sign == "^" and np.ndim(value):
                raise self._wrong("a power of a matrix")
            value = value ** self._exponent()
        return value

    def _exponent(self) -> Any:
        if self._peek() in ("-", "+"):
            return -self._exponent() if self._take().text == "-" else self._exponent()
        return self._atom()

    def _atom(self) -> Any:
        token = self._take()
        if token.kind == "number":
            return float(token.text.lower().replace("d", "e"))
        if token.kind == "text":
            return _unquoted(token.text)
        if token.text == "(":
            value = self._total()
            self._take(")")
            return value
        if token.text in ("[", "{"):
            self._at -= 1
            return self._matrix() if token.text == "[" else self._cell()
        if token.kind != "name":
            raise self._wrong(f"{token.text!r}")
        return self._named(token)

    def _named(self, token: Token) -> Any:
        name = token.text
        if name in FUNCTIONS and self._peek() == "(":
            self._take("(")
            value = FUNCTIONS[name](self._total())
            self._take(")")
            return value
        if self._peek() == "(":
            self._at -= 1
            matrix, rows, columns = self.reference()
            picked = matrix[:, columns] if rows is None else matrix[rows, columns]
            return float(picked[0]) if rows is not None and len(columns) == 1 else picked
        for known in (self._names, CONSTANTS, {"pi": math.pi, "Inf": math.inf, "inf": math.inf}):
            if name in known:
                return known[name]
        raise self._wrong(f"{name!r} is not known")

    def reference(self) -> tuple[FloatArray, int | None, list[int]]:
        """``NAME(:, COLUMNS)`` or ``NAME(ROW, COLUMN)``: matrix, row from 0 (None = all), columns from 0."""
        name = self._take().text
        matrix = self._names.get(name)
        if not isinstance(matrix, np.ndarray):
            raise self._wrong(f"{name!r} is not a matrix given above")
        self._take("(")
        row = None
        if self._peek() == ":":
            self._take(":")
        else:
            row = self._place(self._total(), matrix.shape[0])
        self._take(",")
        places = np.atleast_1d(np.asarray(self._total(), dtype=float)).ravel()
        self._take(")")
        return matrix, row, [self._place(place, matrix.shape[1]) for place in places.tolist()]

    def _place(self, number: Any, size: int) -> int:
        if np.ndim(number) or number != int(number) or not 1 <= number <= size:
            raise self._wrong(f"no row or column {number} in a matrix of {size}")
        return int(number) - 1

    def _matrix(self) -> FloatArray:
        """``[a b; c d]``: rows end at semicolons and line ends, entries at commas and blank space."""
        opened = self._take("[")
        rows: list[list[float]] = [[]]
        while self._peek() != "]":
            if self._at >= len(self._tokens):
                raise CodeError(opened.line, "a matrix that does not end")
            if self._peek() in (";", "\n"):
                self._take()
                rows.append([])
            elif self._peek() == ",":
                self._take()
            else:
                rows[-1].append(self._entry())
        self._take("]")
        full = [row for row in rows if row]
        if len({len(row) for row in full}) > 1:
            raise CodeError(opened.line, "a matrix with rows of different length")
        return np.array(full, dtype=float).reshape(len(full), len(full[0]) if full else 0)

    def _entry(self) -> float:
        """One entry: an expression that ends at blank space (``[1 -2]`` has two, ``[1 - 2]`` one)."""
        start, depth = self._at, 0
        if self._ends_after_number():
            return float(self._take().text.lower().replace("d", "e"))
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if depth == 0 and token.text in ("]", ",", ";", "\n"):
                break
            if depth == 0 and self._at > start and token.spaced and self._splits(token):
                break
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            self._at += 1
        value = Expression(self._tokens[start : self._at], self._names, self._line).whole()
        if np.ndim(value) or isinstance(value, str):
            raise self._wrong("an entry that is no number")
        return float(value)

    def _ends_after_number(self) -> bool:
        """Whether the next entry is a bare number, as nearly all are."""
        if self._tokens[self._at].kind != "number" or self._at + 1 >= len(self._tokens):
            return False
        after = self._tokens[self._at + 1]
        return after.text in ("]", ",", ";", "\n") or (after.spaced and after.kind == "number")

    def _splits(self, token: Token) -> bool:
        """Whether blank space before this token starts a new entry."""
        before = self._tokens[self._at - 1]
        if before.text in ("+", "-", "*", "/", "^"):
            return False
        if token.text in ("+", "-"):
            after = self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else token
            return not after.spaced
        return token.kind in ("number", "name") or token.text == "("

    def _cell(self) -> list[str]:
        """``{'a'; 'b'}``: a list of words."""
        self._take("{")
        words = []
        while self._peek() != "}":
            token = self._take()
            if token.kind == "text":
                words.append(_unquoted(token.text))
            elif token.kind == "number":
                words.append(token.text)
            elif token.text not in (";", ",", "\n"):
                raise self._wrong(f"{token.text!r} in a list of words")
        self._take("}")
        return words


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")
