"""Reads MATPOWER case files: the subset of MATLAB in which data files are written, and no more.

A case file (version 2) assigns matrices to fields of ``mpc``, and distribution cases convert kW to
MW and ohm to per unit by a few lines of arithmetic at their end. Both are read by a small parser of
our own. A statement that it does not understand is a problem with its line number, never skipped.
Format: MATPOWER User's Manual, appendix B; R. D. Zimmerman, C. E. Murillo-Sanchez.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridcommons.adapters.grids.matpower_expressions import CodeError, Expression, Token

_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*(?:\.\w+)?)"
    r"|(?P<text>'(?:[^'\n]|'')*')|(?P<sign>\.[*/^]|[-+*/^()\[\]{},;:=])|(?P<newline>\n)|(?P<space>[ \t\r]+)"
)


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
    code.fields = {
        name.removeprefix("mpc."): value for name, value in names.items() if name.startswith("mpc.")
    }
    return code


def _tokens(text: str, code: CaseCode) -> list[Token]:
    tokens: list[Token] = []
    for number, line in enumerate(_without_block_comments(text), start=1):
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


def _without_block_comments(text: str) -> list[str]:
    """All lines, those between lines that hold only ``%{`` and ``%}`` emptied."""
    lines, depth = [], 0
    for line in text.splitlines():
        mark = line.strip()
        depth += mark == "%{"
        lines.append("" if depth else line)
        depth -= mark == "%}" and depth > 0
    return lines


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
    result = Expression(value, names, first.line).whole()
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
    reader = Expression(target, names, target[0].line)
    matrix, rows, columns = reader.reference()
    reader.expect_end()
    if rows is not None:
        raise CodeError(target[0].line, "only whole columns can be assigned")
    if np.ndim(result) and np.shape(result) != (len(matrix), len(columns)):
        raise CodeError(target[0].line, "another number of columns than it is assigned to")
    matrix[:, columns] = result
