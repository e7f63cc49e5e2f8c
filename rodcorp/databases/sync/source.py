"""Where the copy's rows come from: an interface, so that the engine can be tested on two files.

A *version* is a number the source gives a row each time anybody changes it, and a tombstone when
the row is deleted; later changes have higher numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db.models import QuerySet

from rodcorp.databases.sync.rules import Row, Rule

Versioned = tuple[int, Row]


@dataclass(frozen=True)
class Pull:
    """All that changed since a cursor, at one moment. `cursor` is where the next pull begins: no
    change that was not visible yet can have a version below it. Rows are by table, deletions as
    (key, version)."""

    cursor: int
    rows: dict[str, list[Versioned]] = field(default_factory=dict)
    deleted: dict[str, list[tuple[UUID, int]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self.rows.values()) or any(self.deleted.values())


@dataclass(frozen=True)
class Size:
    """Of one table: how many rows, and the highest version of them."""

    count: int
    version: int


class ChangeSource(Protocol):
    """What the feed and the replay ask of the primary, on the alias `mssql`."""

    def install(self) -> None:
        """Make what gives versions and tombstones; does nothing where it is there already."""
        ...

    def missing(self) -> list[str]:
        """What of it is not there."""
        ...

    def pull(self, cursor: int, rules: Iterable[Rule]) -> Pull:
        """All rows and tombstones of these tables with a version above the cursor, read in one
        snapshot, and read whole before it returns. Cursor 0 means everything."""
        ...

    def low_water(self) -> int:
        """The lowest version any transaction under way may still use."""
        ...

    def read(self, rule: Rule, keys: Sequence[UUID]) -> dict[UUID, Versioned]:
        """These rows as they are now, inside the caller's transaction; who is not there is
        absent."""
        ...

    def guarded(self, rule: Rule, key: UUID, version: int) -> QuerySet[Any]:
        """This row, if it still has this version: to be changed or deleted, and counted."""
        ...

    def forget_deleted(self, before: datetime) -> None:
        """Throw away the tombstones of what was deleted before then."""
        ...

    def sizes(self, rules: Iterable[Rule]) -> dict[str, Size]:
        """Of each of these tables, at one moment."""
        ...
