"""Seals: what the rows of a closed pay cycle said, so that a later change of one shows.

A row's digest is over all its columns as Django reads them, so it is the same in both databases.
A seal holds the digests of some rows in their order and the digest of the seal before it, of this
cycle or of the one before.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from payroll.errors import CycleOutOfOrder
from payroll.models import LedgerSeal, PayCycle, PayCycleState, RodCoinsTransaction
from rodcorp.databases.ids import natural_id
from rodcorp.databases.refusals import rewriting
from rodcorp.databases.units import open_unit
from rodcorp.kit import rows

ROWS_A_SEAL = 250

# Rows read at a time.
_PART = 2_000

# What a row's digest is over, in this order. Once a cycle is sealed neither this nor `_said` may
# change for its rows: a column that is added later needs a digest of another kind.
COLUMNS = (
    "id",
    "agent_id",
    "source_id",
    "target_id",
    "amount",
    "transaction_type",
    "description",
    "source_kind",
    "source_key",
    "reverses_id",
    "cycle",
    "occurred_at",
    "created_at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "actor_token",
    "actor_address",
)
_SIGNED = ("actor_kind", "actor_id", "actor_name", "actor_token", "actor_address")
_ID, _SOURCE_KIND, _SOURCE_KEY, _CREATED_AT = (
    COLUMNS.index(name) for name in ("id", "source_kind", "source_key", "created_at")
)

# Rows of one moment are in the order of their causes; compared here, as the two databases sort
# text differently.
Place = tuple[datetime, str, str, str]


class Entry(NamedTuple):
    """A row as it is sealed, and its place among the rows of its cycle."""

    place: Place
    id: str
    digest: str


def seal(cycle: PayCycle) -> int:
    """Seal the rows of a cycle that was closed in the open unit; how many that are. Seconds for
    100,000. Raises `CycleOutOfOrder` if it is not closed, or it or a later one is sealed."""
    if not PayCycle.objects.filter(pk=cycle.pk, state=PayCycleState.CLOSED).exists():
        raise CycleOutOfOrder(f"Pay {cycle} is sealed when it is closed, not before.")
    if LedgerSeal.objects.filter(cycle__number__gte=cycle.number).exists():
        raise CycleOutOfOrder(f"Pay {cycle} or a later one is sealed already.")
    entries = sorted(entry_of(row) for row in ledger_of(open_unit().alias, cycle.number))
    rows.insert_many(list(_seals(cycle, entries)))
    return len(entries)


# A seal that is replaced proves nothing any more: these two are for the removal of sample rows.


def break_seals(number: int) -> None:
    """Delete the seals of this cycle and of all after it."""
    with rewriting(open_unit().alias):
        rows.delete_many(list(LedgerSeal.objects.filter(cycle__number__gte=number)))


def seal_anew(number: int) -> None:
    """Seal this cycle and all after it that are closed."""
    closed = PayCycle.objects.filter(number__gte=number, state=PayCycleState.CLOSED)
    for cycle in closed.order_by("number"):
        seal(cycle)


def last_digest(alias: str) -> str:
    """That of the newest seal, which vouches for all before it; empty if nothing is sealed. Kept
    elsewhere, it tells of seals that were made anew."""
    seals = LedgerSeal.objects.using(alias).order_by("-cycle__number", "-position")
    return seals.values_list("digest", flat=True).first() or ""


def ledger_of(alias: str, number: int) -> Iterator[tuple[Any, ...]]:
    """The rows booked in a cycle, by `COLUMNS`, in no order."""
    found = RodCoinsTransaction.objects.using(alias).filter(cycle=number).order_by()
    return found.values_list(*COLUMNS).iterator(chunk_size=_PART)


def entry_of(row: Sequence[Any]) -> Entry:
    key = str(row[_ID])
    place = (row[_CREATED_AT], row[_SOURCE_KIND], row[_SOURCE_KEY], key)
    return Entry(place, key, _digest(list(map(_said, row))))


def digest_of(seal: LedgerSeal, number: int) -> str:
    """What the seal's own digest must be. `number` is its cycle's."""
    columns = ("position", "previous", "rows", "row_count", "sealed_at", *_SIGNED)
    return _digest([number, *(_said(getattr(seal, name)) for name in columns)])


def _seals(cycle: PayCycle, entries: Sequence[Entry]) -> Iterator[LedgerSeal]:
    unit = open_unit()
    previous = last_digest(unit.alias)
    starts = range(0, len(entries), ROWS_A_SEAL)
    for position, start in enumerate(starts, start=1):
        sealed = entries[start : start + ROWS_A_SEAL]
        made = LedgerSeal(
            id=natural_id("ledger seal", cycle.pk, position),
            cycle=cycle,
            position=position,
            rows=_text([[entry.id, entry.digest] for entry in sealed]),
            row_count=len(sealed),
            previous=previous,
            sealed_at=unit.now,
            **rows.signature(unit),
        )
        made.digest = previous = digest_of(made, cycle.number)
        yield made


def _said(value: object) -> object:
    """A value in the one way it is written down: the same on both engines."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, UUID):
        return str(value)
    return value


def _digest(values: Iterable[object]) -> str:
    return hashlib.sha256(_text(values).encode()).hexdigest()


def _text(values: Iterable[object]) -> str:
    return json.dumps(values, ensure_ascii=True, separators=(",", ":"))
