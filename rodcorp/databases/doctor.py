"""What stands between this machine and its SQL Server, in the order in which one would look, each
with what mends it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections

from rodcorp.databases.driver import DriverUnavailable, register_driver
from rodcorp.databases.failures import Kind
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.probe import Answer, log_in, probe
from rodcorp.databases.reach import Reach
from rodcorp.databases.schema import aliases, is_behind
from rodcorp.databases.validation import Difference, validate

# Seconds for the first look, far beyond the engine's own: a person waits for this one.
PATIENCE_S = 3.0

# How many of a schema's differences are told; the rest is for `databases validate`.
FEW = 3

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
    yield _tls()
    lacking = _lacking()
    yield _permissions(lacking)
    yield _snapshots()
    if "SELECT" in lacking:
        return
    yield _collation()
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


def _ask(sql: str) -> Any:
    """The first row."""
    with connections[MSSQL].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def _tls() -> Finding:
    parameters = settings.DATABASES[MSSQL]["OPTIONS"]["extra_params"]
    is_encrypted = _is_encrypted()
    if "Encrypt=no" in parameters:
        is_now: dict[bool | None, str] = {
            True: "encrypted, as the server insists",
            False: "not encrypted",
        }
        said = f"not asked for; {is_now.get(is_encrypted, 'not known whether the server insists')}"
        return Finding("TLS", said, "Set MSSQL_ENCRYPT=yes.")
    if is_encrypted is False:
        return Finding(
            "TLS",
            "asked for, but the server's end is not encrypted",
            "Something in between ends the encryption: name the server itself in MSSQL_HOST.",
        )
    # without the permission to look: the driver would not have connected otherwise
    if "TrustServerCertificate=yes" in parameters:
        unverified = "the certificate is not verified (MSSQL_TRUST_SERVER_CERTIFICATE)"
        return Finding("TLS", f"encrypted; {unverified}")
    return Finding("TLS", "encrypted, and the certificate is verified")


def _is_encrypted() -> bool | None:
    """None if this login may not see its own connection."""
    try:
        row = _ask("SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID")
    except DatabaseError:
        return None
    return str(row[0]).upper() == "TRUE" if row else None


# ALTER is what triggers and indexes need, REFERENCES what foreign keys need.
_PERMISSIONS = (
    "ALTER",
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "REFERENCES",
    "VIEW DEFINITION",
)
_PERMISSIONS_SQL = ", ".join(
    [
        "SELECT QUOTENAME(USER_NAME()), QUOTENAME(SCHEMA_NAME())",
        "HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), 'DATABASE', 'CREATE TABLE')",
        *[
            f"HAS_PERMS_BY_NAME(QUOTENAME(SCHEMA_NAME()), 'SCHEMA', '{name}')"
            for name in _PERMISSIONS
        ],
    ]
)


def _lacking() -> dict[str, str]:
    """The permissions this login does not have, each with what grants it."""
    user, schema, may_create, *may = _ask(_PERMISSIONS_SQL)
    lacking = {
        name: f"GRANT {name} ON SCHEMA::{schema} TO {user};"
        for name, has in zip(_PERMISSIONS, may, strict=True)
        if has == 0
    }
    if "ALTER" not in lacking:
        # who may alter a table also sees how it is defined
        lacking.pop("VIEW DEFINITION", None)
    return lacking if may_create else {"CREATE TABLE": f"GRANT CREATE TABLE TO {user};", **lacking}


def _permissions(lacking: dict[str, str]) -> Finding:
    if not lacking:
        return Finding("permissions", "to read, write and alter tables")
    return Finding("permissions", f"lacking: {', '.join(lacking)}", " ".join(lacking.values()))


def _collation() -> Finding:
    """Of keys, whose collation decides which names are equal."""
    [default] = _ask("SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS NVARCHAR(128))")
    wrong = [found for found in validate(MSSQL) if found.about == "collation"]
    if not wrong:
        return Finding("collation", f"keys have the pinned ones; the database's own is {default}")
    return Finding("collation", _told(wrong), wrong[0].fix)


def snapshots_are_allowed() -> bool:
    """Whether the copy can be filled."""
    row = _ask("SELECT snapshot_isolation_state FROM sys.databases WHERE name = DB_NAME()")
    return bool(row and row[0] == 1)


def _snapshots() -> Finding:
    if snapshots_are_allowed():
        return Finding("snapshot isolation", "allowed")
    return Finding(
        "snapshot isolation",
        "not allowed",
        "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON: the copy is read in one snapshot.",
    )


def _schemas() -> Iterator[Finding]:
    for alias in aliases():
        yield _schema(alias)


def _schema(alias: str) -> Finding:
    about = f"schema of '{alias}'"
    if is_behind(alias):
        return Finding(about, "behind", "Run: manage.py migrate")
    if differences := validate(alias):
        return Finding(about, _told(differences), "Run: manage.py databases validate")
    return Finding(about, "up to date")


def _told(differences: list[Difference]) -> str:
    """How many, and the first few."""
    few = [
        f"{found.about} of {f'{found.table}.{found.column}'.rstrip('.')} ({found.found})"
        for found in differences[:FEW]
    ]
    more = "; ..." if len(differences) > FEW else ""
    return f"{len(differences)} not as the models say: {'; '.join(few)}{more}"
