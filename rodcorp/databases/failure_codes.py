"""The table behind `failures`: which error number, SQLSTATE or text means what.

Numbers are SQL Server's (sys.messages), Azure's, the network's and SQLite's; sources are
Microsoft's lists of transient faults and what the real driver was seen to say.
"""

import sqlite3
from enum import StrEnum
from typing import NamedTuple

from rodcorp.databases.reach import Reach


class Kind(StrEnum):
    UNAVAILABLE = "unavailable"  # fail over, after the check
    TRANSIENT = "transient"  # run the whole unit again on the same side
    OUTCOME_UNKNOWN = "outcome_unknown"  # it may have taken effect: insert the marker again
    CONFIGURATION = "configuration"  # alarm; failing over would hide a mistake
    UNCERTAIN = "uncertain"  # decide after the check
    FENCED = "fenced"  # the mode changed underneath: start over on the side that is active now
    STORAGE = "storage"  # this host's disk or file
    DATA = "data"  # raise
    DUPLICATE = "duplicate"  # raise: the row is already there
    PROGRAMMING = "programming"  # raise
    FOREIGN = "foreign"  # no database error at all: raise


class Check(StrEnum):
    NONE = "none"  # the server itself said so
    PROBE = "probe"  # connect, log in, look whether it is writable
    MASTER = "master"  # log in to `master` and ask for the database's state


class Verdict(NamedTuple):
    kind: Kind
    check: Check = Check.NONE
    wait_s: float = 0.0
    if_it_persists: Kind | None = None


_GONE = Verdict(Kind.UNAVAILABLE, Check.PROBE)
_OUT_OF_ORDER = Verdict(Kind.UNAVAILABLE)
_AGAIN = Verdict(Kind.TRANSIENT)
_THROTTLED = Verdict(Kind.TRANSIENT, wait_s=5.0)
_MISCONFIGURED = Verdict(Kind.CONFIGURATION)
_ASK = Verdict(Kind.UNCERTAIN, Check.PROBE)
_OPEN = Verdict(Kind.OUTCOME_UNKNOWN, Check.PROBE)
_DATA = Verdict(Kind.DATA)
_DUPLICATE = Verdict(Kind.DUPLICATE)
_MISTAKE = Verdict(Kind.PROGRAMMING)
_DISK = Verdict(Kind.STORAGE)

# What our own triggers and checks raise when the epoch they were written for is over.
FENCED_NUMBER = 51901
FENCED_TEXT = "rodcorp: fenced"

# What triggers of departments raise: the row there is final; what the unit read no longer holds.
FINAL_NUMBER = 51902
STALE_NUMBER = 51903

# SQLite's own words, which a trigger uses that looks before the constraint does.
DUPLICATE_TEXT = "UNIQUE constraint failed"

LOGIN_FAILED = 18456
CANNOT_OPEN_DATABASE = 4060
DUPLICATES = frozenset({2627, 2601})

# Only beside a SQLSTATE of a lost link: SQL Server has messages of its own with these numbers.
# fmt: off
NETWORK = frozenset({
    2, 26, 32, 53, 64, 104, 110, 111, 113, 121, 233, 258, 997,
    10051, 10053, 10054, 10060, 10061, 10065, 11001,
})

_GROUPS: list[tuple[Verdict, tuple[int, ...]]] = [
    # the instance is shutting down, starting or refusing logins; the session was killed
    (_GONE, (6005, 6006, 17142, 17187, 17197, 17830, 17889, 18401, 18451, 18461, 596)),
    # the database is offline, in recovery, or this replica is not the primary
    (_GONE, (
        921, 922, 924, 926, 927, 941, 942, 945, 952, 954, 976, 978, 981, 982, 983, 988, 9001, 3429,
        823, 824, 35250,
    )),
    # it answers and reads, but cannot write: read-only, log or disk full
    (_OUT_OF_ORDER, (3906, 3908, 9002, 1105, 1101)),
    # Azure: reconfiguring, moving, upgrading
    (_GONE, (40613, 40197, 40143, 40540, 40166, 40020, 42108, 42109)),
    # out of memory
    (Verdict(Kind.TRANSIENT, wait_s=1.0, if_it_persists=Kind.UNAVAILABLE), (701, 802)),
    # deadlock, lock timeout, no locks left
    (_AGAIN, (1205, 1222, 1204, 1203, 1221)),
    # snapshot conflicts and aborted transactions
    (_AGAIN, (3960, 3957, 3950, 3966, 3947, 3948, 3935, 3980)),
    # memory-optimised tables
    (_AGAIN, (41301, 41302, 41305, 41325, 41339, 41839)),
    # memory grants, moved pages, recompilation
    (_AGAIN, (8645, 8651, 8628, 601, 617, 669, 539, 2021, 2816, 845, 847)),
    (Verdict(Kind.TRANSIENT, wait_s=10.0), (40501,)),
    (_THROTTLED, (
        10928, 10929, 10930, 10936, 49918, 49919, 49920, 40642, 40648, 40675,
    )),
    # login, password
    (_MISCONFIGURED, (LOGIN_FAILED, 18450, 18452, 18470, 18486, 18487, 18488, 17892)),
    # no such database, no access to it
    (_MISCONFIGURED, (916, 4064, 911)),
    # missing permissions
    (_MISCONFIGURED, (229, 230, 262, 297, 300)),
    # Azure: server name, firewall
    (_MISCONFIGURED, (40532, 40615, 40914)),
    # it does not exist, or it is offline, or this login may not see it
    (Verdict(Kind.UNCERTAIN, Check.MASTER), (CANNOT_OPEN_DATABASE,)),
    (_DUPLICATE, tuple(DUPLICATES)),
    # foreign key and CHECK, NULL, overflow, division, conversion, too long
    (_DATA, (547, 515, 8115, 220, 8134, 245, 248, 8114, 241, 242, 2628, 8152)),
    # names, syntax, transactions that were already lost, OUTPUT beside a trigger
    (_MISTAKE, (207, 208, 102, 156, 2812, 3930, 3998, 334)),
    (Verdict(Kind.FENCED), (FENCED_NUMBER,)),
    (_DATA, (FINAL_NUMBER,)),
    (_AGAIN, (STALE_NUMBER,)),
]
# fmt: on
NATIVES = {number: verdict for verdict, numbers in _GROUPS for number in numbers}

# A SQLSTATE, or the two letters that stand for its class.
STATES = {
    "08": _GONE,
    "HYT01": _GONE,
    "IMC01": _GONE,
    "IMC02": _GONE,
    "IMC03": _GONE,
    "IMC04": _GONE,
    "IMC05": _GONE,
    "IMC06": _GONE,
    "40001": _AGAIN,
    "40003": _OPEN,
    "25S01": _OPEN,
    "HY117": _OPEN,
    "28": _MISCONFIGURED,
    "IM002": _MISCONFIGURED,
    "IM003": _MISCONFIGURED,
    "IM004": _MISCONFIGURED,
    "HY000": _ASK,
    "HY010": _ASK,
}

# Parts of messages, in lower case; the driver has no SQLSTATE of their own for these.
CONFIGURATION_TEXTS = dict.fromkeys(
    (
        "can't open lib",
        "data source name not found",
        "specified driver could not be loaded",
        "invalid value specified for connection string attribute",
        "certificate verify failed",
        "certificate validation failure",
        "certificate chain was issued",
        "target principal name is incorrect",
        "no valid certificate",
        "encryption not supported on",
        "requires encryption on",
        "openssl library could not be loaded",
        "ssl routines:",
    ),
    _MISCONFIGURED,
)

TEXTS = {
    # whoever closed it did so because the link was lost
    "the cursor's connection has been closed": _GONE,
    "attempt to use a closed connection": _GONE,
    "cannot open a new connection in an atomic block": _GONE,
    "did not supply an error": _GONE,
    "connection is busy with results": _MISTAKE,
    # SQLite's, when only Django's copy of the error is left
    "database is locked": _AGAIN,
    "database table is locked": _AGAIN,
    "database or disk is full": _DISK,
    "disk i/o error": _DISK,
    "database disk image is malformed": _DISK,
    "file is not a database": _DISK,
    "attempt to write a readonly database": _DISK,
    "unable to open database file": _DISK,
    "unique constraint failed": _DUPLICATE,
    FENCED_TEXT: Verdict(Kind.FENCED),
}

# What the first look at an address found. Something else on the port is a mistake. A name that does
# not resolve is not: a stopped container loses its name.
UNREACHED = {
    Reach.REFUSED: _OUT_OF_ORDER,
    Reach.TIMED_OUT: _OUT_OF_ORDER,
    Reach.DROPPED: _OUT_OF_ORDER,
    Reach.UNRESOLVED: _OUT_OF_ORDER,
    Reach.NOT_TDS: _MISCONFIGURED,
    Reach.NOT_STRICT: _MISCONFIGURED,
    Reach.LOCAL_FAULT: _AGAIN,
}
UNREACHED_TEXT = "not reached: "
TEXTS |= {f"{UNREACHED_TEXT}{reach.lower()}": verdict for reach, verdict in UNREACHED.items()}
TEXTS[f"{UNREACHED_TEXT}login timed out"] = _OUT_OF_ORDER

# SQLite's primary codes, and the extended ones that differ from them.
SQLITE = {
    sqlite3.SQLITE_BUSY: _AGAIN,
    sqlite3.SQLITE_LOCKED: _AGAIN,
    sqlite3.SQLITE_PROTOCOL: _AGAIN,
    sqlite3.SQLITE_SCHEMA: _AGAIN,
    sqlite3.SQLITE_FULL: _DISK,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_CORRUPT: _DISK,
    sqlite3.SQLITE_NOTADB: _DISK,
    sqlite3.SQLITE_CANTOPEN: _DISK,
    sqlite3.SQLITE_READONLY: _DISK,
    sqlite3.SQLITE_NOMEM: _DISK,
    sqlite3.SQLITE_CONSTRAINT: _DATA,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: _DUPLICATE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: _DUPLICATE,
    sqlite3.SQLITE_CONSTRAINT_ROWID: _DUPLICATE,
    sqlite3.SQLITE_TOOBIG: _DATA,
    sqlite3.SQLITE_MISMATCH: _DATA,
}
