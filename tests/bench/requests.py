"""Requests that arrive while others still wait, each in a thread of its own, as servers do it."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple


class Request(NamedTuple):
    """Seconds: when it began, counted from the first, and how long it took."""

    begun: float
    taken: float


class Arrivals:
    def __init__(self) -> None:
        self._since = time.perf_counter()
        self._threads: list[threading.Thread] = []
        self._done: list[Request] = []
        self._failed: list[Exception] = []

    def add(self, work: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=self._answer, args=[work])
        self._threads.append(thread)
        thread.start()
        return thread

    def keep_coming(
        self, works: list[Callable[[], object]], every_s: float, until: Callable[[float], bool]
    ) -> None:
        """One after another, whatever becomes of those before; `until` is told the time."""
        number = 0
        while not until(time.perf_counter() - self._since):
            self.add(works[number % len(works)])
            number += 1
            time.sleep(every_s)

    def all(self) -> list[Request]:
        """Once all are answered. A request that failed ends the measurement."""
        for thread in self._threads:
            thread.join()
        if self._failed:
            raise self._failed[0]
        return sorted(self._done)

    def _answer(self, work: Callable[[], object]) -> None:
        from django.db import connections

        begun = time.perf_counter()
        try:
            work()
        except Exception as error:
            self._failed.append(error)
        else:
            self._done.append(Request(begun - self._since, time.perf_counter() - begun))
        finally:
            connections.close_all()
