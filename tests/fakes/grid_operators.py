"""Grid operators that do not answer as they should; importable, so that they run as processes too."""

from __future__ import annotations

import os
import time


class Garbage:
    """Answers with bytes that are no message."""

    def answer(self, message):
        return b"\x80 not a message"

    def report(self):
        return b""


class Dies(Garbage):
    """Its process ends in the middle of an answer."""

    def answer(self, message):
        os._exit(3)


class Sleeps(Garbage):
    """Does not answer in time."""

    def answer(self, message):
        time.sleep(30.0)
        return b""


class Recording:
    """Passes everything on, and keeps it."""

    def __init__(self, party):
        self.party = party
        self.proposals = []
        self.replies = []

    def answer(self, message):
        self.proposals.append(message)
        self.replies.append(self.party.answer(message))
        return self.replies[-1]

    def report(self):
        return self.party.report()
