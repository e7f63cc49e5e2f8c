"""A deadline for calls that know none.

Microsoft's driver does not bound connecting while TLS is negotiated, nor the first statements it
sends itself after the login, nor waiting for more rows of a result: a server that stops there holds
the caller for ever. It lets other threads run meanwhile, so such a call is made in one of those,
and left there when it is late.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadline(Generic[T]):
    """At most `limit` calls may be under way; if that many hang, the next is late at once, so that
    a server that hangs cannot fill the process with threads."""

    def __init__(self, seconds: float, *, limit: int = 8) -> None:
        self.seconds = seconds
        self._free = threading.Semaphore(limit)

    def run(self, call: Callable[[], T], discard: Callable[[T], None] | None = None) -> T:
        """What `call` returns or raises, or TimeoutError. `discard` gets a result nobody waits for
        any more, to close it."""
        if not self._free.acquire(blocking=False):
            raise TimeoutError("Too many calls hang already.")
        outcome = _Outcome[T]()
        threading.Thread(target=self._work, args=(call, discard, outcome), daemon=True).start()
        if not outcome.done.wait(self.seconds):
            with outcome.lock:
                outcome.is_late = not outcome.done.is_set()
        if outcome.is_late:
            raise TimeoutError(f"No answer within {self.seconds} s.")
        return outcome.take()

    def _work(
        self, call: Callable[[], T], discard: Callable[[T], None] | None, outcome: "_Outcome[T]"
    ) -> None:
        try:
            try:
                outcome.results.append(call())
            except BaseException as error:
                outcome.error = error
            with outcome.lock:
                outcome.done.set()
            if outcome.is_late and discard and outcome.results:
                discard(outcome.results[0])
        finally:
            self._free.release()


class _Outcome(Generic[T]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.done = threading.Event()
        self.is_late = False
        self.results: list[T] = []
        self.error: BaseException | None = None

    def take(self) -> T:
        if self.error is not None:
            raise self.error
        return self.results[0]
