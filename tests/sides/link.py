"""The link to the file that stands for SQL Server. A test, or another process, breaks it."""

import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path

from rodcorp.databases.failures import Failure, Kind
from rodcorp.databases.probe import Answer, ServerState
from rodcorp.databases.reach import Reach, Reached

_DRIVER = "[Microsoft][ODBC Driver 18 for SQL Server]"
_SERVER = f"{_DRIVER}[SQL Server]"

# What the real driver says, by what happened; `{call}` is the ODBC function it was in.
SAYINGS = {
    "reset": ("08S01", f"[08S01] {_DRIVER}TCP Provider: Error code 0x68 (104) ({{call}})"),
    "end": ("08S01", f"[08S01] {_DRIVER}TCP Provider: Error code 0x2746 (10054) ({{call}})"),
    "refused": ("HYT00", f"[HYT00] {_DRIVER}Login timeout expired (0) (SQLDriverConnect)"),
    "hang": ("HYT00", f"[HYT00] {_DRIVER}Query timeout expired (0) ({{call}})"),
    "shutdown": ("42000", f"[42000] {_SERVER}SHUTDOWN is in progress. (6005) ({{call}})"),
    "read-only": (
        "25000",
        f"[25000] {_SERVER}Failed to update database 'd' because the database is read-only. "
        "(3906) ({call})",
    ),
    "deadlock": (
        "40001",
        f"[40001] {_SERVER}Transaction (Process ID 53) was deadlocked on lock resources with "
        "another process and has been chosen as the deadlock victim. Rerun the transaction. "
        "(1205) ({call})",
    ),
    "lock": ("42000", f"[42000] {_SERVER}Lock request time out period exceeded. (1222) ({{call}})"),
    "password": ("28000", f"[28000] {_SERVER}Login failed for user 'u'. (18456) ({{call}})"),
    "permission": (
        "42000",
        f"[42000] {_SERVER}The INSERT permission was denied on the object 't'. (229) ({{call}})",
    ),
    "mute": ("HY000", "The driver did not supply an error!"),
}

# After these the connection lives on, and so does the server's good will.
_HARMLESS = {"hang", "deadlock", "lock", "password", "permission", "read-only"}

CALLS = {"connect": "SQLDriverConnect", "execute": "SQLExecDirectW", "fetch": "SQLGetData"}


class DriverError(Exception):
    """Taken for the driver's own, which a machine without its system library cannot import."""

    __module__ = "pyodbc"


@dataclass
class Fault:
    phase: str
    how: str
    times: int
    matching: str
    after: int
    cuts: bool
    struck: int = 0


class Link:
    """Shared by the threads of a process; `cut` and `mend` reach all processes."""

    def __init__(self, directory: Path) -> None:
        self._flag = directory / "link.down"
        self._faults: list[Fault] = []
        self._past: list[Fault] = []
        self._lock = threading.Lock()
        self._looking = 0
        self.connects = 0
        self.probes = 0
        # a restore of the primary ends all connections there are
        self.generation = 0
        # seconds by which the primary's clock is ahead of this host's, if a look is to tell
        self.clock_ahead_s = None

    def fail(self, phase, how, *, times=1, matching="", after=0, cuts=False):
        """`phase` is connect, execute, fetch, commit_before, commit_after or probe. With `cuts`
        nobody answers from then on."""
        fault = Fault(phase, how, times, matching, after, cuts)
        with self._lock:
            self._faults.append(fault)
        return fault

    def cut(self):
        """Nobody answers any more, in any process."""
        self._flag.touch()

    def mend(self):
        self._flag.unlink(missing_ok=True)
        with self._lock:
            self._past += self._faults
            self._faults.clear()

    def struck(self, *hows):
        """Whether one of the faults of these kinds has happened."""
        with self._lock:
            return any(fault.struck and fault.how in hows for fault in self._past + self._faults)

    @property
    def is_cut(self):
        return self._flag.exists()

    @contextlib.contextmanager
    def open_for_a_look(self):
        """What happened can be looked at whatever is broken."""
        self._looking += 1
        try:
            yield
        finally:
            self._looking -= 1

    def due(self, phase, sql=""):
        """How this call fails, or None."""
        if self._looking:
            return None
        if self.is_cut:
            return None if phase == "commit_after" else "refused" if phase == "connect" else "reset"
        with self._lock:
            for fault in self._faults:
                if fault.phase != phase or fault.matching not in sql or not fault.times:
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                fault.struck += 1
                if fault.cuts:
                    self.cut()
                return fault.how
        return None

    def probe(self, settings, login=None, **kwargs):
        """In place of the real one, which would look for a server."""
        self.probes += 1
        how = "refused" if self.is_cut else self.due("probe")
        if how:
            return Answer(Reached(Reach.REFUSED, 0.0), Failure(Kind.UNAVAILABLE, how))
        if login is not None and self.clock_ahead_s is not None:
            reached = Reached(Reach.REACHABLE, 0.0)
            return Answer(reached, state=ServerState(True, self.clock_ahead_s, 0.001, 0))
        return Answer.good()


def error(how, phase):
    state, text = SAYINGS[how]
    call = CALLS.get(phase, "SQLEndTran")
    return DriverError(state, text.replace("{call}", call))


def breaks(how):
    return how not in _HARMLESS
