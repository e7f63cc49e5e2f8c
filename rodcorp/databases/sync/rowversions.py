"""SQL Server as a change source: a `rowversion` in every replicated table, which the server sets at
each change, whoever makes it, and a trigger that keeps the keys of deleted rows.

Sources: Microsoft's documentation of `rowversion` and of MIN_ACTIVE_ROWVERSION, the lowest value a
transaction under way may still use. It is read before the snapshot begins, and rows are read
without an upper bound: what was not committed then has a higher value and is read again next time.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connections, models, transaction
from django.db.models.expressions import RawSQL

from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sync.images import fields_of
from rodcorp.databases.sync.rules import Rule, rules
from rodcorp.databases.sync.source import ChangeSource, Pull, Size, Versioned

COLUMN = "sync_rv"
TOMBSTONES = "SyncTombstones"

_MAKE_TOMBSTONES = f"""
CREATE TABLE [{TOMBSTONES}] (
    [TableName] NVARCHAR(128) NOT NULL,
    [RowKey] UNIQUEIDENTIFIER NOT NULL,
    [DeletedAt] DATETIME2 NOT NULL DEFAULT SYSUTCDATETIME(),
    [{COLUMN}] ROWVERSION NOT NULL)
"""

# tables whose versions can be looked up
_INDEXED = f"""
SELECT t.name FROM sys.index_columns i
JOIN sys.columns c ON c.object_id = i.object_id AND c.column_id = i.column_id
JOIN sys.tables t ON t.object_id = i.object_id
WHERE c.name = '{COLUMN}' AND i.key_ordinal = 1
"""

# SQL Server takes 2,100 parameters in a statement.
_KEYS = 500

# Locks on more than about 5,000 rows become one on the table.
_BATCH = 2_000


class RowVersions:
    """On the alias `mssql`, through this thread's connection."""

    def install(self) -> None:
        for statement in self._wanting():
            self._run(statement)

    def missing(self) -> list[str]:
        return list(self._wanting())

    def pull(self, cursor: int, rules: Iterable[Rule]) -> Pull:
        by_table = {rule.model._meta.db_table: rule for rule in rules}
        low = self.low_water()
        self._run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")
        try:
            with transaction.atomic(using=MSSQL):
                changed = self._changed(cursor, by_table)
                rows = {name: self._rows(by_table[name], cursor) for name in changed}
                deleted = self._deleted(cursor, by_table)
        finally:
            self._run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        return Pull(low - 1, rows, deleted)

    def low_water(self) -> int:
        return int(self._all("SELECT CONVERT(BIGINT, MIN_ACTIVE_ROWVERSION())")[0][0])

    def read(self, rule: Rule, keys: Sequence[UUID]) -> dict[UUID, Versioned]:
        found: dict[UUID, Versioned] = {}
        for start in range(0, len(keys), _KEYS):
            part = self._versioned(rule).filter(pk__in=keys[start : start + _KEYS])
            for version, row in _split(rule, part):
                found[row[str(rule.model._meta.pk.attname)]] = (version, row)
        return found

    def guarded(self, rule: Rule, key: UUID, version: int) -> models.QuerySet[Any]:
        table = connections[MSSQL].ops.quote_name(rule.model._meta.db_table)
        at = f"{table}.[{COLUMN}] = {_literal(version)}"
        every: models.QuerySet[Any] = rule.model._base_manager.using(MSSQL)
        return every.filter(pk=key).extra(where=[at])

    def forget_deleted(self, before: datetime) -> None:
        """A few thousand at a time: a delete that locks more rows locks the table."""
        until = before.astimezone(UTC).replace(tzinfo=None)
        with connections[MSSQL].cursor() as cursor:
            while True:
                cursor.execute(
                    f"DELETE TOP ({_BATCH}) FROM [{TOMBSTONES}] WHERE [DeletedAt] < %s", [until]
                )
                if cursor.rowcount < _BATCH:
                    return

    def sizes(self, rules: Iterable[Rule]) -> dict[str, Size]:
        each = [
            f"SELECT '{rule.model._meta.db_table}', COUNT_BIG(*), "
            f"CONVERT(BIGINT, MAX([{COLUMN}])) FROM [{rule.model._meta.db_table}]"
            for rule in rules
        ]
        rows = self._all(" UNION ALL ".join(each))
        return {name: Size(count, version or 0) for name, count, version in rows}

    # --- reading --------------------------------------------------------------------------------
    def _changed(self, cursor: int, by_table: dict[str, Rule]) -> list[str]:
        """Which tables to ask at all, in one round trip."""
        each = [
            f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM [{name}] "
            f"WHERE [{COLUMN}] > {_literal(cursor)})"
            for name in by_table
        ]
        return [row[0] for row in self._all(" UNION ALL ".join(each))]

    def _rows(self, rule: Rule, cursor: int) -> list[Versioned]:
        table = rule.model._meta.db_table
        above = f"[{table}].[{COLUMN}] > {_literal(cursor)}"
        return list(_split(rule, self._versioned(rule).extra(where=[above])))

    def _versioned(self, rule: Rule) -> models.QuerySet[Any]:
        version = RawSQL(  # noqa: S611  names of our own
            f"CONVERT(BIGINT, [{rule.model._meta.db_table}].[{COLUMN}])",
            [],
            output_field=models.BigIntegerField(),
        )
        every: models.QuerySet[Any] = rule.model._base_manager.using(MSSQL)
        numbered: models.QuerySet[Any] = every.order_by().annotate(_version=version)
        return numbered

    def _deleted(self, cursor: int, tables: Iterable[str]) -> dict[str, list[tuple[UUID, int]]]:
        found: dict[str, list[tuple[UUID, int]]] = {name: [] for name in tables}
        for name, key, version in self._all(
            f"SELECT [TableName], [RowKey], CONVERT(BIGINT, [{COLUMN}]) FROM [{TOMBSTONES}] "
            f"WHERE [{COLUMN}] > {_literal(cursor)}"
        ):
            if name in found:
                found[name].append((UUID(str(key)), version))
        return found

    # --- making ---------------------------------------------------------------------------------
    def _wanting(self) -> Iterable[str]:
        """The statements that make what is not there."""
        columns = {
            str(row[0]).lower()
            for row in self._all(
                f"SELECT TABLE_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE COLUMN_NAME = '{COLUMN}'"
            )
        }
        indexed = {str(row[0]).lower() for row in self._all(_INDEXED)}
        triggers = {str(row[0]).lower() for row in self._all("SELECT name FROM sys.triggers")}
        if TOMBSTONES.lower() not in columns:
            yield _MAKE_TOMBSTONES
        if TOMBSTONES.lower() not in indexed:
            yield f"CREATE INDEX [{TOMBSTONES}_Version] ON [{TOMBSTONES}] ([{COLUMN}])"
        for table, rule in rules().items():
            if table.lower() not in columns:
                yield f"ALTER TABLE [{table}] ADD [{COLUMN}] ROWVERSION NOT NULL"
            if table.lower() not in indexed:
                yield f"CREATE INDEX [{table}_Version] ON [{table}] ([{COLUMN}])"
            if f"{table}_Deleted".lower() not in triggers:
                yield _trigger(table, str(rule.model._meta.pk.column))

    def _run(self, statement: str) -> None:
        with connections[MSSQL].cursor() as cursor:
            cursor.execute(statement)

    def _all(self, statement: str) -> list[Any]:
        with connections[MSSQL].cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


def primary_source() -> ChangeSource:
    """The source of this company's primary."""
    return RowVersions()


def _trigger(table: str, key: str) -> str:
    """Without NOCOUNT Django would read the trigger's count for the statement's."""
    return (
        f"CREATE TRIGGER [{table}_Deleted] ON [{table}] AFTER DELETE AS BEGIN SET NOCOUNT ON; "
        f"INSERT INTO [{TOMBSTONES}] ([TableName], [RowKey]) "
        f"SELECT '{table}', [{key}] FROM deleted; END"
    )


def _literal(version: int) -> str:
    return f"0x{version:016X}"


def _split(rule: Rule, found: models.QuerySet[Any]) -> Iterable[Versioned]:
    names = [field.attname for field in fields_of(rule.model)]
    for *values, version in found.values_list(*names, "_version"):
        yield version, dict(zip(names, values, strict=True))
