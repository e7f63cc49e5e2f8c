"""The mode file: which side is written to, shared by all processes of this host.

It is a small SQLite file of its own, so that reading it never waits for business data. The mode
changes only by compare-and-set on its epoch. If the file is lost, the mode must be found again
from the copy's fence, whose epoch the new file has to exceed. It also holds who this host is.
"""

import contextlib
import json
import os
import sqlite3
import threading
import time
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

FILE = "mode.db"
PROBE_FILE = "probe.json"

HISTORY_LENGTH = 500
REASON_LENGTH = 500
BUSY_TIMEOUT_S = 10.0


class Mode(StrEnum):
    PRIMARY = "primary"
    FALLBACK = "fallback"
    HEALING = "healing"  # writes still go to the copy


# Only healing leads back: it is what brings over the writes made meanwhile.
ALLOWED = frozenset(
    {
        (Mode.PRIMARY, Mode.FALLBACK),
        (Mode.FALLBACK, Mode.HEALING),
        (Mode.HEALING, Mode.FALLBACK),
        (Mode.HEALING, Mode.PRIMARY),
    }
)


class State(NamedTuple):
    """`since` is in seconds since 1970. `stopped` says why nothing may be written at all, until a
    person has looked; empty, as a rule. `pace` is the seconds by which each unit on the copy is
    slowed, while the way home would not get shorter otherwise. `clock_offset` is the seconds by
    which the primary's clock was ahead of this host's when it was last seen."""

    mode: Mode
    epoch: int
    since: float
    reason: str
    stopped: str
    pace: float
    clock_offset: float


class Switch(NamedTuple):
    before: Mode
    mode: Mode
    epoch: int
    at: float
    reason: str


class Probed(NamedTuple):
    """The host's last look at the primary, by whichever process."""

    is_good: bool
    at: float


# One UPDATE does it all, so that no reader and no crash can see half of a switch.
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS mode (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    mode TEXT NOT NULL CHECK (mode IN ('primary', 'fallback', 'healing')),
    epoch INTEGER NOT NULL,
    since REAL NOT NULL,
    reason TEXT NOT NULL,
    stopped TEXT NOT NULL DEFAULT '',
    pace REAL NOT NULL DEFAULT 0,
    clock_offset REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS switches (
    epoch INTEGER PRIMARY KEY, before TEXT NOT NULL, mode TEXT NOT NULL, at REAL NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS host (
    id TEXT NOT NULL, has_seen_primary INTEGER NOT NULL,
    beacon TEXT NOT NULL, beacon_before TEXT NOT NULL,
    fingerprint TEXT NOT NULL DEFAULT ''
);
INSERT INTO host (id, has_seen_primary, beacon, beacon_before)
SELECT '{{}}', 0, '', '' WHERE NOT EXISTS (SELECT 1 FROM host);
CREATE TRIGGER IF NOT EXISTS switched AFTER UPDATE OF epoch ON mode BEGIN
    INSERT INTO switches VALUES (new.epoch, old.mode, new.mode, new.since, new.reason);
    DELETE FROM switches WHERE epoch <= new.epoch - {HISTORY_LENGTH};
END;
CREATE TRIGGER IF NOT EXISTS only_forward
BEFORE UPDATE OF epoch ON mode WHEN new.epoch <= old.epoch BEGIN
    SELECT RAISE(ABORT, 'the epoch only grows');
END;
"""  # noqa: S608  a number of our own
_READ = "SELECT mode, epoch, since, reason, stopped, pace, clock_offset FROM mode"
_CHANGE = (
    "UPDATE mode SET mode = ?, epoch = epoch + 1, since = ?, reason = ? "
    "WHERE epoch = ? AND mode = ?"
)
_HISTORY = "SELECT before, mode, epoch, at, reason FROM switches ORDER BY epoch DESC LIMIT ?"


class ModeFile:
    """One for each process; threads may share it. `first_mode` and `first_epoch` are those of a
    file that is made new."""

    def __init__(
        self, directory: Path, *, first_mode: Mode = Mode.PRIMARY, first_epoch: int = 1
    ) -> None:
        self.path = directory / FILE
        self._probe_path = directory / PROBE_FILE
        self._first = (first_mode.value, first_epoch)
        self._local = threading.local()

    def read(self) -> State:
        row = self._connection().execute(_READ).fetchone()
        return State(Mode(row[0]), *row[1:])

    def change(self, to: Mode, expected_epoch: int, reason: str) -> bool:
        """Whether this call made the switch. False: somebody else did one first; read again."""
        state = self.read()
        if state.epoch != expected_epoch:
            return False
        if (state.mode, to) not in ALLOWED:
            raise ValueError(f"The mode cannot go from {state.mode} to {to}.")
        values = (to.value, time.time(), reason[:REASON_LENGTH], expected_epoch, state.mode.value)
        return self._connection().execute(_CHANGE, values).rowcount == 1

    def history(self, limit: int = 50) -> list[Switch]:
        """The latest switch first."""
        return [
            Switch(Mode(before), Mode(mode), epoch, at, reason)
            for before, mode, epoch, at, reason in self._connection().execute(_HISTORY, [limit])
        ]

    def host_id(self) -> UUID:
        """Of this host, as long as this file lives."""
        row = self._connection().execute("SELECT id FROM host").fetchone()
        return UUID(row[0])

    def has_seen_primary(self) -> bool:
        row = self._connection().execute("SELECT has_seen_primary FROM host").fetchone()
        return bool(row[0])

    def note_primary_seen(self) -> None:
        self._connection().execute("UPDATE host SET has_seen_primary = 1")

    def identify(self, fingerprint: str) -> bool:
        """Whether this file is where it was made. If not, it was copied: this host becomes another
        one, which the primary does not know yet."""
        row = self._connection().execute("SELECT fingerprint FROM host").fetchone()
        if row[0] == fingerprint:
            return True
        is_new = not row[0]
        self._connection().execute("UPDATE host SET fingerprint = ?", [fingerprint])
        if not is_new:
            self.become_another()
        return is_new

    def set_clock_offset(self, seconds: float) -> None:
        self._connection().execute("UPDATE mode SET clock_offset = ?", [seconds])

    def stop(self, why: str) -> None:
        """Nothing is written on either side from now on."""
        self._connection().execute("UPDATE mode SET stopped = ?", [why[:REASON_LENGTH]])

    def resume(self) -> None:
        self._connection().execute("UPDATE mode SET stopped = ''")

    def set_pace(self, seconds: float) -> None:
        self._connection().execute("UPDATE mode SET pace = ? WHERE pace <> ?", [seconds, seconds])

    def beacons(self) -> tuple[str, str]:
        """The word this host wrote to the primary last, and the one before; the last may not have
        arrived. Empty at first."""
        row = self._connection().execute("SELECT beacon, beacon_before FROM host").fetchone()
        return row[0], row[1]

    def note_beacon(self, word: str, before: str) -> None:
        """Before it is written in place of the one that is there."""
        self._connection().execute("UPDATE host SET beacon_before = ?, beacon = ?", [before, word])

    def confirm_beacon(self, word: str) -> None:
        """It was written, so no other counts any more."""
        self._connection().execute("UPDATE host SET beacon_before = ?, beacon = ?", [word, word])

    def become_another(self) -> None:
        """From now on this is a host the primary does not know yet."""
        self._connection().execute(
            "UPDATE host SET id = ?, beacon = '', beacon_before = ''", [str(uuid4())]
        )

    def record_probe(self, *, is_good: bool) -> None:
        """In a file beside, written without a lock: probes are many, and readers of the mode must
        not wait for them."""
        fresh = f"{self._probe_path}.{os.getpid()}.{threading.get_ident()}"
        with open(fresh, "w", encoding="ascii") as file:
            json.dump({"is_good": is_good, "at": time.time()}, file)
        os.replace(fresh, self._probe_path)

    def last_probe(self, *, within_s: float) -> Probed | None:
        """None if nobody has looked since; a clock that was set back counts as nobody."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(self._probe_path.read_bytes())
            if 0 <= time.time() - found["at"] <= within_s:
                return Probed(bool(found["is_good"]), float(found["at"]))
        return None

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None and self._local.pid == os.getpid():
            connection.close()
        self._local.__dict__.clear()

    def _connection(self) -> sqlite3.Connection:
        """This thread's; an SQLite connection must not be used on the other side of a fork."""
        pid = os.getpid()
        if getattr(self._local, "pid", None) != pid:
            self._local.inherited = getattr(self._local, "connection", None)
            self._local.connection = self._open()
            self._local.pid = pid
        connection: sqlite3.Connection = self._local.connection
        return connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        # EXTRA is FULL, and the folder is synced too: without WAL a power loss could otherwise
        # bring the old mode back.
        connection.execute("PRAGMA synchronous=EXTRA")
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name='mode'").fetchone():
            connection.executescript(_SCHEMA.format(uuid4()))
            connection.execute(
                "INSERT OR IGNORE INTO mode VALUES (1, ?, ?, ?, 'the file was made', '', 0, 0)",
                (*self._first, time.time()),
            )
            connection.execute("COMMIT")
        return connection
