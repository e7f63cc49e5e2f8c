"""Whether the copy is what the primary is, row by row, over values as Django reads them.

Both sides may be written to meanwhile: only rows that both have at the same version are compared,
and a row that one side lacks counts only if its change is old enough to have arrived.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import connections, transaction

from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.sync.images import fields_of, key_of, read_copy
from rodcorp.databases.sync.merge import differing
from rodcorp.databases.sync.rules import Rule, rules
from rodcorp.databases.sync.source import ChangeSource, Versioned

# Rows of the copy read at a time.
_PART = 500

# Of the rows that differ, so many are named.
NAMED = 20


@dataclass(frozen=True)
class Comparison:
    """Of one table: rows that are the same, rows on their way, and the keys of some that differ."""

    table: str
    same: int
    moving: int
    differing: int
    named: tuple[UUID, ...]


def compare(source: ChangeSource) -> Iterator[Comparison]:
    """Table by table. Rows that were written here and not replayed yet count as on their way."""
    pulled = source.pull(0, rules().values())
    with transaction.atomic(using=SQLITE):
        cursor, versions, waiting = _cursor(), _versions(), _waiting()
        for table, rule in rules().items():
            there = {
                row[str(rule.model._meta.pk.attname)]: (version, row)
                for version, row in pulled.rows.get(table, [])
            }
            here = set(rule.model._base_manager.using(SQLITE).values_list("pk", flat=True))
            moving = 0
            wrong: list[UUID] = []
            settled: list[UUID] = []
            for key in {*there, *here}:
                version = there[key][0] if key in there else 0
                if (table, key) in waiting or version > cursor:
                    moving += 1
                elif key not in there or key not in here:
                    wrong.append(key)
                elif versions.get((table, key)) == version:
                    settled.append(key)
                else:
                    moving += 1
            unequal = list(_unequal(rule, settled, there))
            wrong += unequal
            named = tuple(sorted(wrong, key=str)[:NAMED])
            yield Comparison(table, len(settled) - len(unequal), moving, len(wrong), named)


def _unequal(rule: Rule, keys: list[UUID], there: dict[UUID, Versioned]) -> Iterator[UUID]:
    derived = rule.derived & {field.attname for field in fields_of(rule.model)}
    for start in range(0, len(keys), _PART):
        here = read_copy(rule.model, keys[start : start + _PART])
        for key, row in here.items():
            other = there[key][1]
            if differing(rule, row, other) or any(row[name] != other[name] for name in derived):
                yield key


def _cursor() -> int:
    with connections[SQLITE].cursor() as cursor:
        cursor.execute("SELECT cursor FROM rodcorp_copy")
        return int(cursor.fetchone()[0])


def _versions() -> dict[tuple[str, UUID], int]:
    with connections[SQLITE].cursor() as cursor:
        cursor.execute("SELECT table_name, row_key, version FROM rodcorp_versions")
        return {(table, key_of(key)): version for table, key, version in cursor.fetchall()}


def _waiting() -> set[tuple[str, UUID]]:
    with connections[SQLITE].cursor() as cursor:
        cursor.execute(
            "SELECT table_name, row_key FROM rodcorp_journal "
            "UNION SELECT table_name, row_key FROM rodcorp_later"
        )
        return {(table, key_of(key)) for table, key in cursor.fetchall()}
