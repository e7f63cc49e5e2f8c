"""From the primary to the copy: each pull brings all that changed since the last one and is applied
as one transaction.

Rows that were written here and not replayed yet are left alone, and so are the parents they need;
replay settles them. A pull that lost the race (another process feeds by now, or the cursor moved)
is thrown away.
"""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from rodcorp.databases import eligibility, journal
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.stamps import data_changed
from rodcorp.databases.sync.images import (
    delete_from_copy,
    fields_of,
    key_of,
    needed_in_copy,
    read_copy,
    stored_key,
    write_copy,
)
from rodcorp.databases.sync.rules import Rule, rules
from rodcorp.databases.sync.source import ChangeSource, Pull, Size, Versioned

# SQLite takes more parameters than this in a statement, but not in old builds.
_CHUNK = 500


class FeedLost(Exception):
    """Somebody else feeds this copy by now; what was pulled is thrown away."""


class Feed:
    """One for each copy: to make one ends the one before."""

    def __init__(self, source: ChangeSource) -> None:
        self.source = source
        self._lease = secrets.token_hex(16)
        with transaction.atomic(using=SQLITE), connections[SQLITE].cursor() as cursor:
            cursor.execute("UPDATE rodcorp_copy SET lease = %s", [self._lease])
            if eligibility.is_of_another_schema(connections[SQLITE]):
                # the rows as they are there were never read for this one: all of them come again
                begin_anew()

    def pull(self) -> Pull:
        """Bring what changed; everything, the first time. Raises `FeedLost`."""
        cursor = self.cursor()
        pulled = self.source.pull(cursor, rules().values())
        self._apply(pulled, cursor, is_complete=cursor == 0)
        return pulled

    def reseed(self) -> Pull:
        """Bring everything, and remove what the primary does not have."""
        with transaction.atomic(using=SQLITE):
            self.cursor()
            begin_anew()
        return self.pull()

    def differing(self) -> list[str]:
        """The tables whose size or highest version is not what it is on the primary, after a pull;
        those with rows that were written here and not replayed are left out."""
        there = self.source.sizes(rules().values())
        busy = _Busy()
        here = {table: self._size(table) for table in rules() if not busy.is_in(table)}
        # what changed while we asked is in the next pull
        changed = self.source.pull(self.cursor(), rules().values())
        moving = {name for name, rows in (changed.rows | changed.deleted).items() if rows}
        return [table for table in here if here[table] != there[table] and table not in moving]

    def _size(self, table: str) -> Size:
        quote = connections[SQLITE].ops.quote_name
        key = quote(str(rules()[table].model._meta.pk.column))
        with connections[SQLITE].cursor() as cursor:
            cursor.execute(
                f"SELECT count(*), max(v.version) FROM {quote(table)} "
                f"LEFT JOIN rodcorp_versions v ON v.table_name = %s AND v.row_key = {key}",
                [table],
            )
            count, version = cursor.fetchone()
        return Size(count, version or 0)

    def cursor(self) -> int:
        """Where the next pull begins. Raises `FeedLost`."""
        with connections[SQLITE].cursor() as cursor:
            cursor.execute("SELECT cursor FROM rodcorp_copy WHERE lease = %s", [self._lease])
            row = cursor.fetchone()
        if row is None:
            raise FeedLost
        return int(row[0])

    def _apply(self, pulled: Pull, expected: int, *, is_complete: bool) -> None:
        connection = connections[SQLITE]
        if not pulled and not is_complete and pulled.cursor == expected:
            return
        with transaction.atomic(using=SQLITE), journal.as_feed():
            if self.cursor() != expected:
                raise FeedLost
            busy = _Busy()
            for table, rule in rules().items():
                # filled anew, the copy may hold another row that was to be the same
                keeps = rule.append_only and not is_complete
                _apply_rows(rule, pulled.rows.get(table, []), busy, keeps=keeps)
            deleted = []
            for table, rule in reversed(rules().items()):
                gone = pulled.deleted.get(table, [])
                if is_complete:
                    _forget_unknown(rule, pulled.rows.get(table, []), busy)
                _apply_deletions(rule, gone, busy)
                if gone and rule.rebuild:
                    deleted.append(rule.rebuild)
            _delete_what_was_put_off(pulled, busy)
            if is_complete:
                rebuild_derived(SQLITE)
                eligibility.note_complete(connection)
            else:
                for rebuild in deleted:
                    rebuild(SQLITE)
            with connection.cursor() as cursor:
                cursor.execute("UPDATE rodcorp_copy SET cursor = %s", [pulled.cursor])
        if pulled:
            data_changed()


def begin_anew() -> None:
    """The next pull brings everything, also what was lost here and is noted as if it were here."""
    with connections[SQLITE].cursor() as cursor:
        cursor.execute("UPDATE rodcorp_copy SET cursor = 0")
        cursor.execute("DELETE FROM rodcorp_versions")


class _Busy:
    """Rows with changes that were not replayed, and the parents those need."""

    def __init__(self) -> None:
        with connections[SQLITE].cursor() as cursor:
            # the marker of a unit without a key is in the journal by the unit's id only
            cursor.execute(
                "SELECT table_name, row_key FROM rodcorp_journal "
                "UNION SELECT %s, unit FROM rodcorp_journal WHERE unit <> %s",
                [UnitMarker._meta.db_table, journal.PRESENCE],
            )
            self._rows = {(table, key_of(key)) for table, key in cursor.fetchall()}
        self._parents = set(self._needed()) if self._rows else set()

    def __contains__(self, row: tuple[str, UUID]) -> bool:
        return row in self._rows

    def is_in(self, table: str) -> bool:
        return any(name == table for name, _ in self._rows)

    def needs(self, table: str, key: UUID) -> bool:
        return (table, key) in self._parents

    def _needed(self) -> Iterable[tuple[str, UUID]]:
        for table, rule in rules().items():
            keys = [key for name, key in self._rows if name == table]
            parents = [
                field for field in fields_of(rule.model) if getattr(field, "db_constraint", False)
            ]
            for part in _chunks(keys) if parents else ():
                for row in read_copy(rule.model, part).values():
                    for field in parents:
                        if row[field.attname] is not None:
                            yield field.related_model._meta.db_table, row[field.attname]


def _apply_rows(rule: Rule, pulled: Sequence[Versioned], busy: _Busy, *, keeps: bool) -> None:
    table = rule.model._meta.db_table
    key = rule.model._meta.pk
    assert key is not None
    for part in _chunks(pulled):
        known = versions(table, [row[key.attname] for _, row in part])
        newer = [
            (version, row)
            for version, row in part
            if (table, row[key.attname]) not in busy and version > known.get(row[key.attname], -1)
        ]
        rows = [row for _, row in newer]
        if rule.append_only or rule.after_insert:
            there = read_copy(rule.model, [row[key.attname] for row in rows])
            new = [row for row in rows if row[key.attname] not in there]
            write_copy(rule.model, new if keeps else rows, but=rule.derived)
            if rule.after_insert and new:
                rule.after_insert(SQLITE, new)
        else:
            write_copy(rule.model, rows, but=rule.derived)
        note_versions(table, [(row[key.attname], version) for version, row in newer])


def _apply_deletions(rule: Rule, gone: Sequence[tuple[UUID, int]], busy: _Busy) -> None:
    table = rule.model._meta.db_table
    for part in _chunks(gone):
        known = versions(table, [key for key, _ in part])
        newer = [
            (key, version)
            for key, version in part
            if (table, key) not in busy and version > known.get(key, -1)
        ]
        needed = [key for key, _ in newer if busy.needs(table, key)]
        put_off(table, needed)
        delete_from_copy(rule.model, [key for key, _ in newer if key not in needed])
        note_versions(table, [pair for pair in newer if pair[0] not in needed])


def _forget_unknown(rule: Rule, pulled: Sequence[Versioned], busy: _Busy) -> None:
    """What is here and not there, after everything was pulled."""
    table, key = rule.model._meta.db_table, rule.model._meta.pk
    assert key is not None
    there = {row[key.attname] for _, row in pulled}
    here = rule.model._base_manager.using(SQLITE).values_list("pk", flat=True)
    unknown = [each for each in here if each not in there and (table, each) not in busy]
    needed = [each for each in unknown if busy.needs(table, each)]
    put_off(table, needed)
    delete_from_copy(rule.model, [each for each in unknown if each not in needed])


def rebuild_derived(alias: str) -> None:
    """All columns that follow from other rows, anew."""
    for rule in rules().values():
        if rule.rebuild:
            rule.rebuild(alias)


def versions(table: str, keys: Sequence[UUID]) -> dict[UUID, int]:
    """The versions at which these rows, or their tombstones, are here."""
    places = ", ".join(["%s"] * len(keys))
    if not keys:
        return {}
    with connections[SQLITE].cursor() as cursor:
        cursor.execute(
            "SELECT row_key, version FROM rodcorp_versions "
            f"WHERE table_name = %s AND row_key IN ({places})",
            [table, *map(stored_key, keys)],
        )
        return {key_of(key): version for key, version in cursor.fetchall()}


def note_versions(table: str, pairs: Iterable[tuple[UUID, int]]) -> None:
    with connections[SQLITE].cursor() as cursor:
        cursor.executemany(
            "INSERT INTO rodcorp_versions (table_name, row_key, version) VALUES (%s, %s, %s) "
            "ON CONFLICT (table_name, row_key) DO UPDATE SET version = excluded.version",
            [(table, stored_key(key), version) for key, version in pairs],
        )


def put_off(table: str, keys: Iterable[UUID]) -> None:
    """These rows are gone from the primary, and something here still needs them."""
    with connections[SQLITE].cursor() as cursor:
        cursor.executemany(
            "INSERT OR IGNORE INTO rodcorp_later (table_name, row_key) VALUES (%s, %s)",
            [(table, stored_key(key)) for key in keys],
        )


def _delete_what_was_put_off(pulled: Pull, busy: _Busy) -> None:
    """Children first, and only what is not there again and nothing here needs any more."""
    with connections[SQLITE].cursor() as cursor:
        cursor.execute("SELECT table_name, row_key FROM rodcorp_later")
        waiting = [(table, key_of(key)) for table, key in cursor.fetchall()]
    for table, rule in reversed(rules().items()) if waiting else ():
        key = rule.model._meta.pk
        assert key is not None
        again = {row[key.attname] for _, row in pulled.rows.get(table, [])}
        keys = [each for name, each in waiting if name == table and (table, each) not in busy]
        gone = [each for each in keys if each not in again]
        needed = needed_in_copy(rule.model, gone)
        delete_from_copy(rule.model, [each for each in gone if each not in needed])
        with connections[SQLITE].cursor() as cursor:
            cursor.executemany(
                "DELETE FROM rodcorp_later WHERE table_name = %s AND row_key = %s",
                [(table, stored_key(each)) for each in keys if each not in needed],
            )


def _chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
