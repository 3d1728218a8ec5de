"""The command line as a user calls it: its own process, its output handed back."""

from __future__ import annotations

import subprocess
import sys

CODE = "from gridcommons.cli import main; main()"


def gridcommons(*arguments, code=0) -> str:
    """What a command says: standard output where it ends well, standard error where it shall not."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout if code == 0 else done.stderr
