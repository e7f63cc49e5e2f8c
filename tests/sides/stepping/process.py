"""What another process of a host does: work in a thread with connections of its own.

It can be stopped before any of its steps (a statement, a commit, a change of the mode), go on
later, or be killed there: what it had not committed is gone, and nobody cleans up after it. Only
one of a test's threads runs at a time, so what happens is the same each time.
"""

import contextlib
import threading

from django.db import connections

from rodcorp.databases import sides

_mine = threading.local()


class Killed(BaseException):
    """Nothing of ours catches it, as nothing catches a kill -9."""


def step(kind):
    """This thread is about to do something; `kind` says what, as in `copy commit_before`."""
    process = getattr(_mine, "process", None)
    if process is not None:
        process.arrive(kind)


def still_lives():
    """Raises in a process that was killed: what runs on its way out changes nothing."""
    process = getattr(_mine, "process", None)
    if process is not None and process.is_dead:
        raise Killed


class Process:
    def __init__(self, work):
        self._work = work
        self._wanted, self._before = None, 0
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = None
        self.has_ended = self.is_dead = False
        self.error = None

    def run(self, until=None, after=0):
        """Until it is about to do what begins with `until`, `after` times passed over; else to its
        end. Whether it has ended; what it raised is raised here."""
        self._wanted, self._before = until, after
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, daemon=True)
            self._thread.start()
        else:
            self._go.release()
        self._back.acquire()
        if self.has_ended:
            self._thread.join()
        if self.error is not None:
            raise self.error
        return self.has_ended

    def kill(self):
        if self.has_ended:
            return
        self.is_dead = True
        self._go.release()
        self._back.acquire()
        self._thread.join()

    def arrive(self, kind):
        if self.is_dead:
            raise Killed
        if self._wanted is None or not kind.startswith(self._wanted):
            return
        if self._before:
            self._before -= 1
            return
        self._wanted = None
        self._back.release()
        self._go.acquire()
        if self.is_dead:
            for connection in connections.all(initialized_only=True):
                if connection.connection is not None:
                    # a half read result would keep a closed one's transaction open
                    connection.connection.rollback()
                    connection.connection.close()
            raise Killed

    def _live(self):
        _mine.process = self
        try:
            self._work()
        except BaseException as error:
            if not self.is_dead:
                self.error = error
        finally:
            _mine.process = None
            with contextlib.suppress(Exception):
                connections.close_all()
            for file in sides._files.values():
                file.close()
            self.has_ended = True
            self._back.release()
