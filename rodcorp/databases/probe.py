"""Is the primary there, does it let us in, and may we write?

The ODBC driver reports a refused connection only after its whole login timeout, so the first look
is our own: a TCP connection and the first message of SQL Server's protocol (MS-TDS 2.2.6.5,
PRELOGIN), within 300 ms. A login follows only where something answered.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from django.db import connections

from rodcorp.databases.deadline import Deadline
from rodcorp.databases.failure_codes import UNREACHED
from rodcorp.databases.failures import Check, Failure, Kind, Phase, classify
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.reach import Reach, Reached, reach

BUDGET_S = 0.3
LOGIN_TIMEOUT_S = 1  # the driver takes whole seconds, and does not apply it everywhere
LOGIN_DEADLINE_S = 1.5

START_ATTEMPTS = 3
START_PAUSE_S = 0.25  # doubled after each attempt
START_DEADLINE_S = 3.0  # no attempt begins later than this after the first

# The second value is the time this was asked at by the server's clock, in UTC.
_STATE_SQL = (
    "SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS NVARCHAR(20)), "
    "SYSUTCDATETIME(), DATEPART(TZOFFSET, SYSDATETIMEOFFSET())"
)
# No row: it does not exist, or this login may not know of it.
_MASTER_SQL = "SELECT state_desc FROM sys.databases WHERE name = %s"


@dataclass(frozen=True)
class ServerState:
    """`clock_offset_s` is the server's clock minus this host's, right to `clock_error_s`.
    `utc_offset_min` is the server's time zone; anything but 0 makes GETDATE() wrong for us."""

    writable: bool
    clock_offset_s: float
    clock_error_s: float
    utc_offset_min: int


@dataclass(frozen=True)
class Answer:
    """`failure` is None when all is well."""

    reached: Reached
    failure: Failure | None = None
    state: ServerState | None = None

    @classmethod
    def good(cls) -> "Answer":
        """Somebody else has just asked."""
        return cls(Reached(Reach.REACHABLE, 0.0))

    @property
    def is_good(self) -> bool:
        return self.failure is None

    @property
    def is_configuration(self) -> bool:
        return self.failure is not None and self.failure.kind is Kind.CONFIGURATION


Login = Callable[[], ServerState]

_DEADLINE = Deadline[ServerState](LOGIN_DEADLINE_S)
_MASTER_DEADLINE = Deadline[str | None](LOGIN_DEADLINE_S)


def probe(
    settings: Mapping[str, Any], login: Login | None = None, *, budget_s: float = BUDGET_S
) -> Answer:
    """Look at the primary of these settings; with `login`, also log in and look inside."""
    strict = "Encrypt=strict" in settings["OPTIONS"]["extra_params"]
    reached = reach(settings["HOST"], int(settings["PORT"]), budget_s=budget_s, tls_first=strict)
    if reached.reach is not Reach.REACHABLE:
        return Answer(reached, _unreached(reached))
    if login is None:
        return Answer(reached)
    try:
        state = _DEADLINE.run(login)
    except TimeoutError:
        return Answer(reached, Failure(Kind.UNAVAILABLE, "login timed out"))
    except Exception as error:
        return Answer(reached, _refused(error, settings))
    readonly = Failure(Kind.UNAVAILABLE, "read-only")
    return Answer(reached, None if state.writable else readonly, state)


def _unreached(reached: Reached) -> Failure:
    return Failure(UNREACHED[reached.reach].kind, reached.reach.value)


def _refused(error: Exception, settings: Mapping[str, Any]) -> Failure:
    """A server that is there and refuses for a reason nobody listed is not an outage."""
    failure = classify(error, Phase.CONNECTING)
    if failure.kind is Kind.FOREIGN:
        raise error
    if failure.check is Check.MASTER:
        return _look_in_master(settings["NAME"], failure.code)
    if failure.kind in (Kind.UNCERTAIN, Kind.OUTCOME_UNKNOWN):
        return Failure(Kind.UNAVAILABLE, failure.code)
    if failure.kind in (Kind.UNAVAILABLE, Kind.TRANSIENT):
        return failure
    return Failure(Kind.CONFIGURATION, failure.code)


def _look_in_master(database: str, code: str) -> Failure:
    """Why the server could not open the database: offline is an outage, no access is a mistake."""
    try:
        state = _MASTER_DEADLINE.run(lambda: _state_in_master(database))
    except TimeoutError:
        return Failure(Kind.UNAVAILABLE, "login timed out")
    except Exception as error:
        failure = classify(error, Phase.CONNECTING)
        return failure if failure.kind is Kind.UNAVAILABLE else Failure(Kind.CONFIGURATION, code)
    if state is None or state == "ONLINE":
        return Failure(Kind.CONFIGURATION, code)
    return Failure(Kind.UNAVAILABLE, f"{code} {state}")


def _state_in_master(database: str) -> str | None:
    connection = _connection("master")
    try:
        with connection.cursor() as cursor:
            cursor.execute(_MASTER_SQL, [database])
            row = cursor.fetchone()
    finally:
        connection.close()
    return str(row[0]) if row else None


def log_in() -> ServerState:
    """Log in on a connection of its own, with short timeouts, and ask."""
    connection = _connection()
    try:
        with connection.cursor() as cursor:
            return ask(cursor)
    finally:
        connection.close()


def _connection(database: str | None = None) -> Any:
    connection: Any = connections.create_connection(MSSQL)
    connection.is_pooled = False
    settings = dict(connection.settings_dict)
    settings["OPTIONS"] = {
        **settings["OPTIONS"],
        "connection_timeout": LOGIN_TIMEOUT_S,
        "query_timeout": LOGIN_TIMEOUT_S,
    }
    settings["NAME"] = database or settings["NAME"]
    connection.settings_dict = settings
    return connection


def ask(cursor: Any) -> ServerState:
    """What matters about the server behind an open cursor."""
    before = time.time()
    cursor.execute(_STATE_SQL)
    updateability, server_time, zone = cursor.fetchone()
    after = time.time()
    return ServerState(
        writable=updateability == "READ_WRITE",
        clock_offset_s=server_time.replace(tzinfo=UTC).timestamp() - (before + after) / 2,
        clock_error_s=(after - before) / 2,
        utc_offset_min=int(zone),
    )


def probe_at_start(
    look: Callable[[], Answer],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Up to three looks, with growing pauses that differ from process to process. A configuration
    error ends it at once: it does not get better by waiting."""
    begun = clock()
    pause = START_PAUSE_S
    for attempt in range(1, START_ATTEMPTS + 1):
        answer = look()
        if answer.is_good or answer.is_configuration or attempt == START_ATTEMPTS:
            break
        wait = pause * random.uniform(0.5, 1.5)  # noqa: S311  not a secret
        if clock() - begun + wait > START_DEADLINE_S:
            break
        sleep(wait)
        pause *= 2
    return answer
