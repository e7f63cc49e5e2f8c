"""SQLite's tables. Its pragmas say nothing of checks, collations and the conditions of indexes:
those are read from the statements that made them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.databases.catalog.sqltext import CLOSING, OPENING, Token, closing, tokens, type_name
from rodcorp.databases.catalog.structure import (
    Check,
    Column,
    ForeignKey,
    IndexRow,
    Table,
    add_indexes,
    fold,
)

_TABLES = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"

# A virtual table's pragmas fail where its module is not loaded, so only real ones are asked about.
_COLUMNS = """
    SELECT t.name, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden
    FROM sqlite_master t, pragma_table_xinfo(t.name) c
    WHERE t.type = 'table' AND t.sql LIKE 'CREATE TABLE%' ORDER BY t.name, c.cid"""

_INDEXES = """
    SELECT t.name, i.name, i."unique", s.sql, c.name
    FROM sqlite_master t, pragma_index_list(t.name) i, pragma_index_xinfo(i.name) c
    JOIN sqlite_master s ON s.type = 'index' AND s.name = i.name
    WHERE t.type = 'table' AND t.sql LIKE 'CREATE TABLE%' AND c.key = 1
    ORDER BY t.name, i.name, c.seqno"""

_FOREIGN_KEYS = """
    SELECT t.name, k."from", k."table", k."to"
    FROM sqlite_master t, pragma_foreign_key_list(t.name) k
    WHERE t.type = 'table' AND t.sql LIKE 'CREATE TABLE%'"""

_CHECK, _COLLATE = Token("word", "check"), Token("word", "collate")
_CONSTRAINT, _WHERE = Token("word", "constraint"), Token("word", "where")
_COMMA = Token("sign", ",")


def read(connection: BaseDatabaseWrapper) -> dict[str, Table]:
    with connection.cursor() as cursor:

        def rows(sql: str) -> Any:
            cursor.execute(sql)
            return cursor.fetchall()

        statements = rows(_TABLES)
        tables = {fold(name): Table(name) for name, _ in statements}
        _add_columns(tables, rows(_COLUMNS))
        for name, sql in statements:
            _add_what_only_the_statement_says(tables[fold(name)], sql)
        add_indexes(tables, map(_index_row, rows(_INDEXES)))
        _add_foreign_keys(tables, rows(_FOREIGN_KEYS))
    return tables


def _add_columns(tables: dict[str, Table], rows: list[Any]) -> None:
    keys: dict[str, list[tuple[int, str]]] = {}
    for table, name, declared, is_required, default, place, hidden in rows:
        # hidden is 2 or 3 where a column is generated
        made = Column(name, type_name(declared), not is_required, default, None, hidden == 0)
        tables[fold(table)].columns[fold(name)] = made
        if place:
            keys.setdefault(fold(table), []).append((place, fold(name)))
    for table, places in keys.items():
        tables[table].primary_key = tuple(name for _, name in sorted(places))


def _index_row(row: tuple[str, str, int, str | None, str | None]) -> IndexRow:
    table, name, is_unique, sql, column = row
    found = tokens(sql or "")
    condition = (sql or "")[found[found.index(_WHERE)].end :].strip() if _WHERE in found else ""
    return table, name, bool(is_unique), condition, column


def _add_foreign_keys(tables: dict[str, Table], rows: list[Any]) -> None:
    for table, column, other, target in rows:
        if target is None and (known := tables.get(fold(other))) and known.primary_key:
            # a reference that names no column is one to the primary key
            target = known.primary_key[0]
        key = ForeignKey(fold(column), fold(other), fold(target or ""))
        tables[fold(table)].foreign_keys.add(key)


def _add_what_only_the_statement_says(table: Table, sql: str) -> None:
    found = tokens(sql)
    for definition in _definitions(found):
        table.checks += _checks(definition, sql)
        name = definition[0].text
        if name in table.columns and _COLLATE in definition:
            collation = definition[definition.index(_COLLATE) + 1].text
            table.columns[name] = replace(table.columns[name], collation=collation)


def _definitions(found: list[Token]) -> Iterator[list[Token]]:
    """The parts of a CREATE TABLE's brackets: columns and constraints."""
    if OPENING not in found:
        return
    begin = position = found.index(OPENING) + 1
    while position < len(found):
        if found[position] in (_COMMA, CLOSING):
            if position > begin:
                yield found[begin:position]
            if found[position] == CLOSING:
                return
            begin = position + 1
        position = (closing(found, position) or position) + 1


def _checks(definition: list[Token], sql: str) -> Iterator[Check]:
    for position, token in enumerate(definition):
        end = closing(definition, position + 1)
        if token == _CHECK and end is not None:
            is_named = definition[max(position - 2, 0)] == _CONSTRAINT
            name = definition[position - 1].text if is_named else ""
            yield Check(name, sql[definition[position + 1].end : definition[end].start])
