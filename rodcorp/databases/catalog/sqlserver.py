"""SQL Server's tables, those of the login's own schema: four questions, however many tables."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.databases.catalog.sqltext import type_name
from rodcorp.databases.catalog.structure import (
    Check,
    Column,
    ForeignKey,
    Table,
    add_indexes,
    fold,
)

_COLUMNS = """
    SELECT t.name, c.name, y.name, c.max_length, c.precision, c.scale, c.is_nullable,
        d.definition, c.collation_name, c.is_identity, c.is_computed
    FROM sys.tables t
    JOIN sys.columns c ON c.object_id = t.object_id
    JOIN sys.types y ON y.user_type_id = c.user_type_id
    LEFT JOIN sys.default_constraints d
        ON d.parent_object_id = c.object_id AND d.parent_column_id = c.column_id
    WHERE t.schema_id = SCHEMA_ID()
    ORDER BY t.name, c.column_id"""

_INDEXES = """
    SELECT t.name, i.name, i.is_unique, i.filter_definition, c.name, i.is_primary_key
    FROM sys.tables t
    JOIN sys.indexes i ON i.object_id = t.object_id
    JOIN sys.index_columns k ON k.object_id = i.object_id AND k.index_id = i.index_id
    JOIN sys.columns c ON c.object_id = k.object_id AND c.column_id = k.column_id
    WHERE t.schema_id = SCHEMA_ID() AND i.is_disabled = 0 AND k.is_included_column = 0
    ORDER BY t.name, i.name, k.key_ordinal"""

_CHECKS = """
    SELECT t.name, k.name, k.definition
    FROM sys.tables t
    JOIN sys.check_constraints k ON k.parent_object_id = t.object_id
    WHERE t.schema_id = SCHEMA_ID() AND k.is_disabled = 0"""

_FOREIGN_KEYS = """
    SELECT t.name, c.name, other.name, target.name
    FROM sys.tables t
    JOIN sys.foreign_keys f ON f.parent_object_id = t.object_id
    JOIN sys.foreign_key_columns k ON k.constraint_object_id = f.object_id
    JOIN sys.columns c ON c.object_id = k.parent_object_id AND c.column_id = k.parent_column_id
    JOIN sys.tables other ON other.object_id = k.referenced_object_id
    JOIN sys.columns target
        ON target.object_id = k.referenced_object_id AND target.column_id = k.referenced_column_id
    WHERE t.schema_id = SCHEMA_ID() AND f.is_disabled = 0"""

_TWO_BYTES = ("nchar", "nvarchar")
_SIZED = ("binary", "char", "varbinary", "varchar", *_TWO_BYTES)
_SCALED = ("datetime2", "datetimeoffset", "time")


def read(connection: BaseDatabaseWrapper) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    with connection.cursor() as cursor:

        def rows(sql: str) -> Any:
            cursor.execute(sql)
            return cursor.fetchall()

        for table, *about in rows(_COLUMNS):
            made = _column(*about)
            tables.setdefault(fold(table), Table(table)).columns[fold(made.name)] = made
        of_columns = rows(_INDEXES)
        add_indexes(tables, (row[:5] for row in of_columns))
        for table, _, _, _, column, is_primary in of_columns:
            if is_primary:
                tables[fold(table)].primary_key += (fold(column),)
        for table, name, definition in rows(_CHECKS):
            tables[fold(table)].checks.append(Check(fold(name), definition))
        for table, *names in rows(_FOREIGN_KEYS):
            tables[fold(table)].foreign_keys.add(ForeignKey(*map(fold, names)))
    return tables


def _column(
    name: str,
    base: str,
    size: int,
    precision: int,
    scale: int,
    is_nullable: bool,
    default: str | None,
    collation: str | None,
    is_identity: bool,
    is_computed: bool,
) -> Column:
    whole = type_name(_type(base, size, precision, scale))
    is_written = not (is_identity or is_computed or base in ("rowversion", "timestamp"))
    return Column(name, whole, bool(is_nullable), default, collation, is_written)


def _type(base: str, size: int, precision: int, scale: int) -> str:
    """As one would declare it; the catalogue counts bytes, of which `max` has -1."""
    if base in _SIZED:
        length = size // 2 if base in _TWO_BYTES else size
        return f"{base}({'max' if size == -1 else length})"
    if base in ("decimal", "numeric"):
        return f"{base}({precision},{scale})"
    return f"{base}({scale})" if base in _SCALED else base
