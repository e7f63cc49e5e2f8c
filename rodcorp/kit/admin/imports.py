"""Importing rows from CSV: what a file would do, row by row, and doing it.

The trial and the import are the same code: every row asks the table's services, all rows in one
unit of work. The trial undoes the unit; so does a single refused row.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import Model

from rodcorp.actors import Actor
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Conflict, InvalidInput, RodCorpError

Cells = Mapping[str, str]


@dataclass(slots=True)
class Outcome:
    """What became of one row of the file: `new`, `changed`, `unchanged` or `refused`."""

    number: int
    kind: str
    label: str
    # column, before, after
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    # column, or empty for the row as a whole, and what is wrong with it
    refusals: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """What a file does, or would do."""

    outcomes: list[Outcome]

    @property
    def counts(self) -> dict[str, int]:
        kinds = [outcome.kind for outcome in self.outcomes]
        return {kind: kinds.count(kind) for kind in ("new", "changed", "unchanged", "refused")}

    @property
    def is_refused(self) -> bool:
        return any(outcome.kind == "refused" for outcome in self.outcomes)

    @property
    def writes(self) -> bool:
        return any(outcome.kind in ("new", "changed") for outcome in self.outcomes)

    @property
    def digest(self) -> str:
        """The same for two plans that say the same; what people were shown is what is done."""
        said = [
            [one.number, one.kind, one.label, one.changes, one.refusals] for one in self.outcomes
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


class Importer:
    """How a table's rows are read from CSV; its services judge the values.

    An empty cell is one that is not given: it leaves what is there as it is.
    """

    columns: ClassVar[tuple[str, ...]]
    required: ClassVar[tuple[str, ...]] = ()
    # columns that say which row is meant; they are not changed and not compared
    identity: ClassVar[tuple[str, ...]] = ("id", "key")
    # those of them that do so alone: a file with one may lack the required columns
    keys: ClassVar[tuple[str, ...]] = ("id", "key")
    # what a service calls a column, where the file calls it otherwise
    service_names: ClassVar[dict[str, str]] = {}
    # for the export, which reads many rows
    prefetches: ClassVar[tuple[str, ...]] = ()
    help: ClassVar[str] = ""

    def find(self, cells: Cells) -> Any:
        """The row that is meant, or None for a new one."""
        raise NotImplementedError

    def create(self, actor: Actor, cells: Cells) -> Model:
        raise NotImplementedError

    def change(self, actor: Actor, row: Any, changed: Cells) -> Model:
        """`changed` are the cells that differ from what is there. Without a service that changes
        rows, they are final."""
        name = next(iter(changed))
        raise Conflict("This row is final; it cannot be changed by an import.", field=name)

    def value_of(self, row: Any, column: str) -> object:
        """What the row has in that column."""
        return getattr(row, column)

    def label_of(self, row: Any) -> str:
        return str(row)

    def reader_of(self, column: str) -> Callable[[Any], str]:
        return lambda row: as_text(self.value_of(row, column))

    def shown(self, row: Any) -> dict[str, str]:
        return {
            column: as_text(self.value_of(row, column))
            for column in self.columns
            if column not in self.identity
        }


def as_text(value: object) -> str:
    """A value as a cell has it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value).lower() if isinstance(value, bool) else str(value)


def run_rows(importer: Importer, actor: Actor, rows: Sequence[tuple[int, Cells]]) -> Plan:
    """Ask the services for each row, in the caller's unit. A refused row leaves nothing behind,
    so that the next is judged as if it were not there."""
    return Plan([_run_row(importer, actor, number, cells) for number, cells in rows])


def _run_row(importer: Importer, actor: Actor, number: int, cells: Cells) -> Outcome:
    given = {name: cell for name, cell in cells.items() if cell}
    try:
        return run_in_unit(
            lambda unit: _write_row(importer, actor, number, given),
            actor=actor,
            operation="import.row",
        )
    except RodCorpError as error:
        name = (error.field or "").partition("[")[0]
        name = importer.service_names.get(name, name)
        refusal = (name if name in importer.columns else "", error.message)
        label = " · ".join(list(given.values())[:3])[:120]
        return Outcome(number, "refused", label, refusals=[refusal])


def _write_row(importer: Importer, actor: Actor, number: int, given: Cells) -> Outcome:
    row = importer.find(given)
    if row is None:
        for name in importer.required:
            if name not in given:
                raise InvalidInput(f"{name} must not be empty.", field=name)
        row = importer.create(actor, given)
        after = importer.shown(row)
        said = [(name, "", after[name]) for name in after if given.get(name)]
        return Outcome(number, "new", importer.label_of(row), said)
    before = importer.shown(row)
    changed = {
        name: given[name] for name in before if name in given and given[name] != before[name]
    }
    if changed:
        row = importer.change(actor, row, changed)
    after = importer.shown(row)
    changes = [(name, before[name], after[name]) for name in before if before[name] != after[name]]
    kind = "changed" if changes else "unchanged"
    return Outcome(number, kind, importer.label_of(row), changes)
