"""How long to wait for a server, and when to give up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server.

    Attributes
    ----------
    attempts
        How often a file is asked for; an attempt that brings ``worthwhile`` new bytes starts the count anew, so that a
        large file arrives even over a bad line.
    first_wait, longest_wait
        Seconds between attempts: doubled each time, up to the longest, and jittered down to half, so that many who
        were cut off together do not come back together.
    longest_asked
        A server that asks (Retry-After) for a longer wait is not waited for; seconds.
    timeout
        Seconds for connecting, and for each silence of the server after that.
    slowest, window
        Fewer bytes a second than ``slowest`` over ``window`` seconds count as a broken connection.
    sleep, clock, jitter
        What waits, tells the seconds, and draws from [0, 1).
    """

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_asked: float = 300.0
    timeout: float = 60.0
    slowest: float = 1024.0
    window: float = 60.0
    worthwhile: int = 8 * 2**20
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random

    def wait_before(self, attempt: int, asked: float | None) -> float:
        """Return the seconds to wait before an attempt (counted from 0, so at least 1); ``asked`` by the server."""
        wait = min(self.longest_wait, self.first_wait * 2.0 ** (attempt - 1))
        return max(asked or 0.0, wait * (1.0 - self.jitter() / 2.0))


class Pace:
    """Watches whether bytes come fast enough."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._since = patience.clock()
        self._bytes = 0

    def too_slow(self, came: int) -> bool:
        """Take note that ``came`` bytes arrived; say whether the window that ends now was too slow."""
        self._bytes += came
        now = self._patience.clock()
        passed = now - self._since
        if passed < self._patience.window:
            return False
        slow = self._bytes < self._patience.slowest * passed
        self._since, self._bytes = now, 0
        return slow
