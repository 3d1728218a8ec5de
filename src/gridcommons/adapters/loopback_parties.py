"""The grid operator of a market as a process of its own, reached over TCP on this machine.

Both sides know each other by a key (``multiprocessing.connection``). Frames are the bytes of
``flexibility.market_messages`` and nothing else, never pickled objects, so that what crosses is what a
message is allowed to hold. The party behind the connection is the one that also runs in process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import secrets
from multiprocessing.connection import Client, Connection, Listener
from multiprocessing.process import BaseProcess
from types import TracebackType

from gridcommons.model.errors import GridcommonsError
from gridcommons.ports import GridOperatorParty

ANSWER, REPORT, END = b"a", b"r", b"e"
"""First byte of a request: what is asked for."""

DONE, REFUSED = b"d", b"x"
"""First byte of a response: the bytes asked for, or why there are none."""

START_S = 60.0
"""How long a process may take to start: imports, and kernels that are not compiled yet [s]."""


class PartyError(GridcommonsError):
    """The other process did not answer as expected: what was received, and what was expected."""


class RemoteGridOperator:
    """A grid operator behind a connection.

    Parameters
    ----------
    connection : Connection
        To a process that runs ``serve``.
    timeout_s : float
        How long an answer may take [s].
    """

    def __init__(self, connection: Connection, timeout_s: float = 60.0) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    def answer(self, message: bytes) -> bytes:
        """Wire form of the reply to a proposal in wire form.

        Raises
        ------
        PartyError
            No answer in time, the process is gone, or it refused the proposal.
        """
        return self._ask(ANSWER + message, "a reply")

    def report(self) -> bytes:
        """Wire form of the grid operator's report; raises as ``answer`` does."""
        return self._ask(REPORT, "a report")

    def _ask(self, request: bytes, expected: str) -> bytes:
        try:
            self._connection.send_bytes(request)
            if not self._connection.poll(self._timeout_s):
                raise PartyError(
                    f"grid operator: received nothing in {self._timeout_s:g} s, expected {expected}"
                )
            response = self._connection.recv_bytes()
        except (OSError, EOFError) as error:
            raise PartyError(
                f"grid operator: received the end of the connection ({type(error).__name__}), "
                f"expected {expected}; is its process alive?"
            ) from error
        if response[:1] == REFUSED:
            raise PartyError(f"grid operator refused: {response[1:].decode(errors='replace')}")
        if response[:1] != DONE:
            raise PartyError(f"grid operator: received {response[:40]!r}, expected {expected}")
        return response[1:]


def serve(party: GridOperatorParty, connection: Connection) -> None:
    """Answer requests until the other side says or shows that it is done."""
    while True:
        try:
            request = connection.recv_bytes()
        except (OSError, EOFError):
            return
        if request[:1] == END:
            return
        connection.send_bytes(_respond(party, request))


def _respond(party: GridOperatorParty, request: bytes) -> bytes:
    try:
        if request[:1] == ANSWER:
            return DONE + party.answer(request[1:])
        if request[:1] == REPORT:
            return DONE + party.report()
    except GridcommonsError as error:
        return REFUSED + str(error).encode()
    return REFUSED + f"received a request that begins with {request[:1]!r}, expected one of a, r, e".encode()


def loopback_process(party: GridOperatorParty, timeout_s: float = 60.0) -> GridOperatorProcess:
    """The same party as a second process: ``with loopback_process(party) as dso``."""
    return GridOperatorProcess(party, timeout_s)


class GridOperatorProcess:
    """Starts a grid operator as a second process, and ends it.

    Parameters
    ----------
    party : GridOperatorParty
        Who answers; handed over when the process starts, and not to be asked here any more.
    timeout_s : float
        How long an answer may take [s].
    """

    def __init__(self, party: GridOperatorParty, timeout_s: float = 60.0) -> None:
        self._party = party
        self._timeout_s = timeout_s

    def __enter__(self) -> RemoteGridOperator:
        """Start the process and connect to it.

        Raises
        ------
        PartyError
            It did not come up.
        """
        # Not forked: threads of compiled kernels do not survive a fork.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        key = secrets.token_bytes(32)
        self._process: BaseProcess = context.Process(
            target=_run_grid_operator, args=(theirs, key, self._party), daemon=True
        )
        self._process.start()
        theirs.close()
        try:
            port = _port_of(ours)
            self._connection = Client(("127.0.0.1", port), authkey=key)
        except BaseException:
            self._end()
            raise
        finally:
            ours.close()
        return RemoteGridOperator(self._connection, self._timeout_s)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell the process to end, and see that it has."""
        # It may be gone already.
        with contextlib.suppress(OSError):
            self._connection.send_bytes(END)
        self._connection.close()
        self._end()

    @property
    def process(self) -> BaseProcess:
        """The other process."""
        return self._process

    def _end(self) -> None:
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _port_of(pipe: Connection) -> int:
    try:
        if pipe.poll(START_S):
            return int(pipe.recv_bytes())
    except EOFError:
        raise PartyError("grid operator: its process ended, expected the port it listens on") from None
    raise PartyError(f"grid operator: received nothing in {START_S:g} s, expected the port it listens on")


def _run_grid_operator(pipe: Connection, key: bytes, party: GridOperatorParty) -> None:
    with Listener(("127.0.0.1", 0), authkey=key) as listener:
        address = listener.address
        pipe.send_bytes(str(address[1]).encode())
        pipe.close()
        with listener.accept() as connection:
            serve(party, connection)
