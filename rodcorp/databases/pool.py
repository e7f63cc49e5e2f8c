"""The connections to SQL Server that this process holds open.

Under ASGI Django runs each request in a new thread. With a connection for each thread, each request
would log in; with this, a thread leases a connection that somebody else has given back.

Nothing here knows the driver. Whatever may wait for the network (opening, cleaning, closing) is
done without the lock.
"""

import contextlib
import ctypes
import gc
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple

from rodcorp.errors import Busy

# An idle connection that nobody used for so long is closed.
IDLE_S = 300.0

# How often a waiter looks for leases whose owner is gone.
_LOOK_S = 0.05

# How often at most they make the garbage collector run.
_COLLECT_S = 1.0

_RETRY_AFTER_S = 1


class Figures(NamedTuple):
    """Of this process: connections leased, connections idle and how many both may be; how often
    somebody waited, a connection was thrown away, and somebody was refused one."""

    in_use: int = 0
    idle: int = 0
    limit: int = 0
    waits: int = 0
    drops: int = 0
    refusals: int = 0


class Lease:
    """One connection, for one owner. It ends once, by `give_back` or `throw_away`, or with its
    owner."""

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.connection: Any = None
        self.generation = 0
        self.has_ended = False
        # whether anybody else may get it
        self.is_reusable = True
        self.process = os.getpid()
        self.thread = threading.current_thread()
        self._end_of_owner: Callable[[], object] = lambda: None

    @property
    def is_ours(self) -> bool:
        """False in a child of the process that opened it. The socket is still the parent's, so
        there the connection must not even be closed."""
        return self.process == os.getpid()

    def watch(self, owner: object) -> None:
        """End the lease when its owner is no more, as when a thread ends without closing."""
        finalizer = weakref.finalize(owner, self.pool.abandoned.append, self)
        finalizer.atexit = False
        self._end_of_owner = finalizer.detach

    def give_back(self, clean: Callable[[Any], None]) -> None:
        """For the next one. `clean` ends what the owner left open; if it fails, the connection is
        thrown away."""
        self._end_of_owner()
        self.pool.take_back(self, clean)

    def throw_away(self) -> None:
        self._end_of_owner()
        self.pool.take_back(self, None)


class Pool:
    """At most `limit` connections, opened as they are needed and kept for the next who needs one.
    Who finds none waits `patience_s` and is then refused.

    `clean` is for connections whose owner is gone.
    """

    def __init__(
        self,
        limit: int,
        patience_s: float,
        clean: Callable[[Any], None],
        *,
        idle_s: float = IDLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit, self.patience_s, self.idle_s = limit, patience_s, idle_s
        # Filled by finalizers. Those run wherever the garbage collector does, also in a thread that
        # holds the lock, so they may not take it.
        self.abandoned: deque[Lease] = deque()
        self._clean, self._clock = clean, clock
        self._changed = threading.Condition()
        self._leases: set[Lease] = set()
        # with the time each was given back, the last one at the end
        self._idle: list[tuple[float, Any]] = []
        self._generation = self._waiting = 0
        self._collected = float("-inf")
        self._waits = self._drops = self._refusals = 0

    def lease(self, open_one: Callable[[], Any], owner: object) -> Lease:
        """The connection that was used last, or one that `open_one` makes. Raises `Busy`."""
        lease = self._wait_for_room()
        if lease.connection is None:
            try:
                lease.connection = open_one()
            except BaseException:
                self._make_room(lease)
                raise
        lease.watch(owner)
        return lease

    def take_back(self, lease: Lease, clean: Callable[[Any], None] | None) -> None:
        """Without `clean` it is thrown away. A second time, or in a child, it does nothing."""
        if lease.is_ours:
            self._end(lease, clean)
            self._tidy()

    def clear(self) -> None:
        """Throw away all that were opened up to now: the idle ones at once, the others when they
        are given back. One broken connection is seldom alone."""
        with self._changed:
            self._generation += 1
            idle, self._idle = self._idle, []
            self._drops += len(idle)
            self._changed.notify_all()
        for _, connection in idle:
            _close(connection)

    def figures(self) -> Figures:
        with self._changed:
            return Figures(
                len(self._leases),
                len(self._idle),
                self.limit,
                self._waits,
                self._drops,
                self._refusals,
            )

    def connections(self) -> Iterator[Any]:
        """All that are open. Without the lock, which after a fork nobody may be left to release."""
        yield from (connection for _, connection in self._idle)
        yield from (lease.connection for lease in self._leases if lease.connection is not None)

    # --- room -----------------------------------------------------------------------------------
    def _wait_for_room(self) -> Lease:
        end = self._clock() + self.patience_s
        self._tidy()
        with self._changed:
            # who came later does not overtake those who wait
            if self._waiting == 0 and (lease := self._take()):
                return lease
            self._waits += 1
            self._waiting += 1
        try:
            while True:
                with self._changed:
                    if lease := self._take():
                        return lease
                    if (left := end - self._clock()) <= 0:
                        self._refusals += 1
                        raise self._refusal()
                    self._changed.wait(min(left, _LOOK_S))
                self._collect()
                self._tidy()
        finally:
            with self._changed:
                self._waiting -= 1
                self._changed.notify()

    def _take(self) -> Lease | None:
        """A lease on an idle connection, or on room for a new one. With the lock."""
        if not self._idle and len(self._leases) >= self.limit:
            return None
        lease = Lease(self)
        lease.generation = self._generation
        if self._idle:
            _, lease.connection = self._idle.pop()
        self._leases.add(lease)
        return lease

    def _make_room(self, lease: Lease) -> None:
        with self._changed:
            self._leases.discard(lease)
            self._changed.notify()

    def _end(self, lease: Lease, clean: Callable[[Any], None] | None) -> None:
        with self._changed:
            if lease.has_ended:
                return
            lease.has_ended = True
        if clean is None or not self._keep(lease, clean):
            # closed before there is room, so that the server never sees more than the limit
            _close(lease.connection)
            with self._changed:
                self._drops += 1
            self._make_room(lease)

    def _keep(self, lease: Lease, clean: Callable[[Any], None]) -> bool:
        if not lease.is_reusable or lease.generation != self._generation:
            return False
        try:
            clean(lease.connection)
        except Exception:
            return False
        with self._changed:
            # others may have been found dead while this one was cleaned
            if lease.generation != self._generation:
                return False
            self._leases.discard(lease)
            self._idle.append((self._clock(), lease.connection))
            self._changed.notify()
        return True

    def _refusal(self) -> Busy:
        return Busy(
            f"All connections to SQL Server are in use (MSSQL_MAX_CONNECTIONS is {self.limit}) and "
            f"none became free within {self.patience_s:g} s; try again in a moment.",
            details={"retry_after_s": _RETRY_AFTER_S},
        )

    # --- what nobody gives back -----------------------------------------------------------------
    def _collect(self) -> None:
        """A Django connection is part of a cycle, so it outlives its thread until the garbage
        collector comes by."""
        with self._changed:
            is_due = self._clock() - self._collected >= _COLLECT_S
            if not is_due or all(lease.thread.is_alive() for lease in self._leases):
                return
            self._collected = self._clock()
        gc.collect()

    def _tidy(self) -> None:
        while self.abandoned:
            with contextlib.suppress(IndexError):
                self._end(self.abandoned.popleft(), self._clean)
        with self._changed:
            oldest = self._clock() - self.idle_s
            expired = [connection for since, connection in self._idle if since < oldest]
            del self._idle[: len(expired)]
        for connection in expired:
            _close(connection)


def _close(connection: Any) -> None:
    with contextlib.suppress(Exception):
        connection.close()


class _Process:
    """The pool of this process, with what makes its connections unlike others. Settings that
    change, as in tests, make another one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.current: tuple[Hashable, Pool] | None = None

    def pool_for(self, key: Hashable, make: Callable[[], Pool]) -> Pool:
        current = self.current
        if current is not None and current[0] == key:
            return current[1]
        with self.lock:
            before = self.current
            if before is not None and before[0] == key:
                return before[1]
            pool = make()
            self.current = key, pool
        if before is not None:
            before[1].clear()
        return pool


_process = _Process()


def pool_for(key: Hashable, make: Callable[[], Pool]) -> Pool:
    """The pool of these settings; `key` is all that makes one connection unlike another."""
    return _process.pool_for(key, make)


def figures() -> Figures:
    current = _process.current
    return current[1].figures() if current else Figures()


def clear() -> None:
    """Throw this process's connections away, those in use once they are given back."""
    if current := _process.current:
        current[1].clear()


def _leave_to_parent() -> None:
    """In a child: begin without connections. One more reference to each keeps the interpreter from
    ever closing what is the parent's, which would speak on the parent's socket."""
    global _process
    if _process.current:
        for connection in _process.current[1].connections():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    _process = _Process()


os.register_at_fork(after_in_child=_leave_to_parent)
