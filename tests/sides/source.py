"""The file that stands for the primary as a change source: triggers number each change."""

import contextlib
import sqlite3

from django.db import connections, models
from django.db.models.expressions import RawSQL

from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sync.images import fields_of, key_of, stored_key
from rodcorp.databases.sync.rules import rules
from rodcorp.databases.sync.source import Pull, Size

_TABLES = (
    "CREATE TABLE IF NOT EXISTS rv_counter (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)",
    "INSERT OR IGNORE INTO rv_counter VALUES (1, 0)",
    "CREATE TABLE IF NOT EXISTS rv (table_name TEXT, row_key TEXT, version INTEGER NOT NULL, "
    "is_deleted INTEGER NOT NULL, "
    "changed_at REAL NOT NULL DEFAULT 0, PRIMARY KEY (table_name, row_key)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS rv_version ON rv (version)",
)


class FileVersions:
    """SQLite has one writer, so versions are in the order of commits."""

    def install(self):
        with connections[MSSQL].cursor() as cursor:
            for statement in _TABLES:
                cursor.execute(statement)
            for table, rule in rules().items():
                key = rule.model._meta.pk.column
                for operation in ("INSERT", "UPDATE", "DELETE"):
                    cursor.execute(_trigger(table, key, operation))
                cursor.execute(
                    f'INSERT OR IGNORE INTO rv SELECT \'{table}\', "{key}", 0, 0, 0 FROM "{table}"'
                )
            cursor.execute("UPDATE rv_counter SET version = max(version, 1)")
            cursor.execute("UPDATE rv SET version = 1 WHERE version = 0")

    def missing(self):
        return []

    def low_water(self):
        return self._all("SELECT version FROM rv_counter")[0][0] + 1

    def pull(self, cursor, rules):
        by_table = {rule.model._meta.db_table: rule for rule in rules}
        low = self.low_water()
        with self._snapshot():
            changed = self._all(
                "SELECT DISTINCT table_name FROM rv WHERE version > %s AND NOT is_deleted", [cursor]
            )
            rows = {
                name: list(_split(rule, _changed_since(rule, cursor)))
                for [name] in changed
                if (rule := by_table.get(name))
            }
            gone = self._all(
                "SELECT table_name, row_key, version FROM rv WHERE is_deleted AND version > %s",
                [cursor],
            )
        deleted = {name: [] for name in by_table}
        for name, key, version in gone:
            deleted[name].append((key_of(key), version))
        return Pull(low - 1, rows, deleted)

    def read(self, rule, keys):
        found = _split(rule, _versioned(rule).filter(pk__in=list(keys)))
        return {row[rule.model._meta.pk.attname]: (version, row) for version, row in found}

    def guarded(self, rule, key, version):
        return (
            rule.model._base_manager.using(MSSQL)
            .filter(pk=key)
            .extra(
                where=[
                    "EXISTS (SELECT 1 FROM rv "
                    "WHERE table_name = %s AND row_key = %s AND version = %s)"
                ],
                params=[rule.model._meta.db_table, stored_key(key), version],
            )
        )

    def forget_deleted(self, before):
        self._all("DELETE FROM rv WHERE is_deleted AND changed_at < %s", [before.timestamp()])

    def sizes(self, rules):
        found = {}
        for rule in rules:
            table = rule.model._meta.db_table
            [[count]] = self._all(f'SELECT count(*) FROM "{table}"')
            [[version]] = self._all(
                "SELECT max(version) FROM rv WHERE table_name = %s AND NOT is_deleted", [table]
            )
            found[table] = Size(count, version or 0)
        return found

    @contextlib.contextmanager
    def _snapshot(self):
        """Django would begin it as one that writes, and keep all others from writing."""
        connection = connections[MSSQL]
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
        try:
            yield
        finally:
            # a broken link has closed it already
            with contextlib.suppress(sqlite3.ProgrammingError):
                connection.connection.rollback()

    def _all(self, sql, parameters=()):
        with connections[MSSQL].cursor() as cursor:
            cursor.execute(sql, list(parameters))
            return cursor.fetchall()


def _trigger(table, key, operation):
    row = "OLD" if operation == "DELETE" else "NEW"
    return (
        f'CREATE TRIGGER IF NOT EXISTS "rv_{operation}_{table}" AFTER {operation} ON "{table}" '
        "BEGIN UPDATE rv_counter SET version = version + 1; "
        f"INSERT OR REPLACE INTO rv SELECT '{table}', {row}.\"{key}\", version, "
        f"{int(operation == 'DELETE')}, "
        "(julianday('now') - 2440587.5) * 86400 FROM rv_counter; END"
    )


def _versioned(rule):
    table, key = rule.model._meta.db_table, rule.model._meta.pk.column
    version = RawSQL(
        f'(SELECT rv.version FROM rv WHERE rv.table_name = %s AND rv.row_key = "{table}"."{key}")',
        [table],
        output_field=models.BigIntegerField(),
    )
    return rule.model._base_manager.using(MSSQL).order_by().annotate(_version=version)


def _changed_since(rule, cursor):
    table, key = rule.model._meta.db_table, rule.model._meta.pk.column
    return _versioned(rule).extra(
        where=[
            f'"{table}"."{key}" IN '
            "(SELECT row_key FROM rv WHERE version > %s AND table_name = %s AND NOT is_deleted)"
        ],
        params=[cursor, table],
    )


def _split(rule, found):
    names = [field.attname for field in fields_of(rule.model)]
    for *values, version in found.values_list(*names, "_version"):
        yield version, dict(zip(names, values, strict=True))
