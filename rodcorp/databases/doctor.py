"""What stands between this machine and its SQL Server, in the order in which one would look, each
with what mends it."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import connections

from rodcorp.databases.driver import DriverUnavailable, register_driver
from rodcorp.databases.failures import Kind
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.probe import Answer, log_in, probe
from rodcorp.databases.reach import Reach
from rodcorp.databases.schema import aliases, is_behind

# Seconds for the first look, far beyond the engine's own: a person waits for this one.
PATIENCE_S = 3.0

# Seconds by which the clocks of server and host may differ before somebody should look.
CLOCK_TOLERANCE_S = 2.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `fix` is empty when it is well."""

    about: str
    said: str
    fix: str = ""

    @property
    def is_well(self) -> bool:
        return not self.fix


def examine() -> Iterator[Finding]:
    """Look until something is wrong that keeps the rest from being looked at."""
    if MSSQL not in settings.DATABASES:
        yield Finding("SQL Server", "not configured; the embedded SQLite file holds everything")
        yield from _schemas()
        return
    try:
        driver = register_driver(settings.DATA_DIR)
    except DriverUnavailable as error:
        yield Finding("driver", "not usable", str(error))
        return
    yield Finding("driver", driver.library)
    answer = probe(settings.DATABASES[MSSQL], log_in, budget_s=PATIENCE_S)
    yield _network(answer)
    if answer.reached.reach is not Reach.REACHABLE:
        return
    yield _login(answer)
    if answer.state is None:
        return
    yield _writable(answer)
    yield _clock(answer)
    yield _time_zone(answer)
    yield _snapshots()
    yield from _schemas()


def _network(answer: Answer) -> Finding:
    where = f"{settings.DATABASES[MSSQL]['HOST']}:{settings.DATABASES[MSSQL]['PORT']}"
    reached = answer.reached
    if reached.reach is Reach.REACHABLE:
        took = f"{reached.elapsed_s * 1000:.0f} ms"
        return Finding("network", f"{where} answers in {took} as version {reached.server_version}")
    return Finding(
        "network",
        f"{where}: {reached.reach.value}",
        "Check MSSQL_HOST and MSSQL_PORT, that the server is started and listens on TCP, and that "
        "no firewall is in between.",
    )


_LOGIN_FIXES = {
    Kind.CONFIGURATION: "Check MSSQL_USER, the password, MSSQL_DATABASE, whether the login may "
    "open it, and the certificate: an address needs MSSQL_HOST_NAME_IN_CERTIFICATE, a private "
    "authority the system's store or SSL_CERT_FILE.",
}


def _login(answer: Answer) -> Finding:
    database = settings.DATABASES[MSSQL]["NAME"]
    if answer.state is not None:
        return Finding("login", f"opens the database '{database}'")
    assert answer.failure is not None
    fix = _LOGIN_FIXES.get(answer.failure.kind, "The server is there but not ready; see its log.")
    return Finding("login", f"refused ({answer.failure.code})", fix)


def _writable(answer: Answer) -> Finding:
    if answer.state and answer.state.writable:
        return Finding("writing", "the database is writable")
    return Finding(
        "writing",
        "the database is read-only",
        "Name the primary replica or its listener in MSSQL_HOST, or make the database writable.",
    )


def _clock(answer: Answer) -> Finding:
    assert answer.state is not None
    offset = answer.state.clock_offset_s
    said = f"the server's clock is {offset:+.2f} s from this host's"
    if abs(offset) - answer.state.clock_error_s <= CLOCK_TOLERANCE_S:
        return Finding("clock", said)
    return Finding("clock", said, "Let both follow the same time servers.")


def _time_zone(answer: Answer) -> Finding:
    assert answer.state is not None
    minutes = answer.state.utc_offset_min
    if minutes == 0:
        return Finding("time zone", "the server is in UTC")
    return Finding(
        "time zone",
        f"the server is {minutes} minutes from UTC",
        "Set the server to UTC: GETDATE(), the default of other programs' rows, is its local time.",
    )


def _snapshots() -> Finding:
    with connections[MSSQL].cursor() as cursor:
        cursor.execute("SELECT snapshot_isolation_state FROM sys.databases WHERE name = DB_NAME()")
        row = cursor.fetchone()
    if row and row[0] == 1:
        return Finding("snapshot isolation", "allowed")
    return Finding(
        "snapshot isolation",
        "not allowed",
        "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON: the copy is read in one snapshot.",
    )


def _schemas() -> Iterator[Finding]:
    for alias in aliases():
        if is_behind(alias):
            yield Finding(f"schema of '{alias}'", "behind", "Run: manage.py migrate")
        else:
            yield Finding(f"schema of '{alias}'", "up to date")
