"""The database behind the endpoint: one SQLite file, a connection for each session."""

import json
import re
import sqlite3
import tempfile
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.tds.tokens import ServerError
from tests.tds.tsql import COLLATION, PREFIX, Statement, split, translate
from tests.tds.turns import Turns

# with which one connection waits for a test that writes into the store at the same time
PATIENCE_S = 5
VERSION = "Microsoft SQL Server 2022 (scripted endpoint) - 16.0.1000.6"
PROPERTIES = {
    "productversion": "16.0.1000.6",
    "engineedition": 3,
    "edition": "scripted endpoint",
    "collation": "SQL_Latin1_General_CP1_CI_AS",
    "isintegratedsecurityonly": 0,
}
FROM_STORE: dict[str, Callable[[bytes], Any]] = {
    "uniqueidentifier": lambda raw: uuid.UUID(raw.decode()),
    "bit": lambda raw: raw != b"0",
    "numeric": lambda raw: Decimal(raw.decode()),
    "decimal": lambda raw: Decimal(raw.decode()),
    "datetime2": lambda raw: datetime.fromisoformat(raw.decode()),
    "datetime": lambda raw: datetime.fromisoformat(raw.decode()),
    "date": lambda raw: date.fromisoformat(raw.decode()),
    "time": lambda raw: time.fromisoformat(raw.decode()),
}
for _name, _convert in FROM_STORE.items():
    sqlite3.register_converter(f"{PREFIX}{_name}", _convert)


def to_store(value: Any) -> Any:
    """Decimals become floats, as SQLite would make them: exact to 15 digits, no further."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return value


def _now() -> str:
    return str(to_store(datetime.now(UTC).replace(tzinfo=None)))


def _is_json(text: str | None) -> int | None:
    try:
        return None if text is None else int(isinstance(json.loads(text), list | dict))
    except ValueError:
        return 0


def _fold(left: str, right: str) -> int:
    a, b = left.rstrip(" ").casefold(), right.rstrip(" ").casefold()
    return (a > b) - (a < b)


class Store:
    def __init__(self, database: str = "scripted") -> None:
        self.database = database
        self.folder = tempfile.TemporaryDirectory(prefix="tds-")
        self.path = Path(self.folder.name) / "store.db"
        self.turns = Turns()
        self.connection = self.connect()
        self.connection.execute("PRAGMA journal_mode=WAL")

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=PATIENCE_S,
            isolation_level=None,
            check_same_thread=False,
            detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES,
        )
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=OFF")
        for name in ("getdate", "getutcdate", "sysdatetime", "sysutcdatetime"):
            connection.create_function(name, 0, _now)
        connection.create_function("isjson", 1, _is_json)
        connection.create_function("newid", 0, lambda: str(uuid.uuid4()))
        connection.create_function("db_name", 0, lambda: self.database)
        connection.create_function(
            "serverproperty", 1, lambda name: PROPERTIES.get(name.casefold())
        )
        connection.create_function("databasepropertyex", 2, self._property)
        connection.create_collation(COLLATION, _fold)
        connection.create_collation("Latin1_General_100_BIN2", lambda a, b: (a > b) - (a < b))
        return connection

    @staticmethod
    def _property(_database: str, name: str) -> str | None:
        return {"updateability": "READ_WRITE", "status": "ONLINE"}.get(name.casefold())

    def run(self, tsql: str, *values: Any) -> list[tuple[Any, ...]]:
        """From a test: what is committed, without a client. Parameters are @P1, @P2 ..."""
        rows: list[tuple[Any, ...]] = []
        bound = {f"P{n}": to_store(value) for n, value in enumerate(values, 1)}
        for written in split(tsql):
            rows = self.connection.execute(translate(written, {}).sql, bound).fetchall()
        return rows

    def count(self, table: str, **where: Any) -> int:
        """How many committed rows have these values."""
        condition = " AND ".join(f"[{name}] = @P{n}" for n, name in enumerate(where, 1)) or "1 = 1"
        sql = f"SELECT COUNT(*) FROM [{table}] WHERE {condition}"
        return self.run(sql, *where.values())[0][0]

    def close(self) -> None:
        self.connection.close()
        self.folder.cleanup()


def converted(
    connection: sqlite3.Connection, statement: Statement, names: list[str], rows: list[Any]
) -> list[Any]:
    """SQLite forgets the types of the columns that RETURNING names."""
    target = re.match(r"(?:INSERT INTO|DELETE FROM|UPDATE)\s+(\[[^]]+\]|\w+)", statement.sql, re.I)
    if not (target and rows and "RETURNING" in statement.sql):
        return rows
    described = connection.execute(f"PRAGMA table_info({target[1]})").fetchall()
    types = {row[1]: row[2].removeprefix(PREFIX).split("(")[0].lower() for row in described}
    using = [FROM_STORE.get(types.get(name, "")) for name in names]
    return [
        tuple(
            value if convert is None or value is None else convert(str(value).encode())
            for value, convert in zip(row, using, strict=True)
        )
        for row in rows
    ]


def as_server_error(error: sqlite3.Error, sql: str) -> ServerError:
    text, name = str(error), getattr(error, "sqlite_errorname", "")
    if missing := re.match(r"no such table: (.+)", text):
        return ServerError(208, f"Invalid object name '{missing[1]}'.")
    if missing := re.match(r"(?:no such column: |table \S+ has no column named )(.+)", text):
        return ServerError(207, f"Invalid column name '{missing[1]}'.")
    if wrong := re.match(r'near "(.+)": syntax error', text):
        return ServerError(102, f"Incorrect syntax near '{wrong[1]}' (for the endpoint): {sql}")
    if re.match(r"(table|index) .+ already exists", text):
        return ServerError(2714, f"There is already an object named so in the database: {text}.")
    table = text.rpartition(": ")[2]
    violations = {
        "SQLITE_CONSTRAINT_UNIQUE": (2627, f"Violation of UNIQUE KEY constraint on {table}."),
        "SQLITE_CONSTRAINT_PRIMARYKEY": (2627, f"Violation of PRIMARY KEY constraint on {table}."),
        "SQLITE_CONSTRAINT_NOTNULL": (515, f"Cannot insert the value NULL into column {table}."),
        "SQLITE_CONSTRAINT_FOREIGNKEY": (547, "Conflict with a FOREIGN KEY constraint."),
        "SQLITE_CONSTRAINT_CHECK": (547, f"Conflict with a CHECK constraint: {table}."),
        "SQLITE_BUSY_SNAPSHOT": (3960, "Snapshot isolation transaction aborted: update conflict."),
    }
    if name in violations:
        number, message = violations[name]
        return ServerError(number, message, severity=16 if number == 3960 else 14)
    return ServerError(50000, f"The scripted endpoint cannot run this ({text}): {sql}")
