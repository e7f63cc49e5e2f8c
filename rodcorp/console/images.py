"""A row that was written on both sides, column by column, as people read it."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.utils.text import capfirst

from agents.models import Agent
from rodcorp.databases import results
from rodcorp.databases.models import Conflict
from rodcorp.databases.sync.conflicts import SECRET
from rodcorp.databases.sync.rules import Row, rules
from rodcorp.people.models import User
from tasks.models import Task

# Moves with every change and says nothing.
SILENT = frozenset({"version"})

# Rows of these are called by their names; of others the key says as much.
_NAMED = (Agent, Task, User)

# The rest of a longer text is counted.
SHOWN = 10_000


@dataclass(frozen=True)
class Column:
    """What one column was before, here and on the primary. `mark` says in words how the three
    stand; it is empty where all that are known are the same."""

    name: str
    base: str
    ours: str
    theirs: str
    mark: str


@dataclass(frozen=True)
class Images:
    """A row that was not there has no image."""

    base: Row | None
    ours: Row | None
    theirs: Row | None
    lost: frozenset[str]
    # columns that follow from other rows: they are never brought home
    derived: frozenset[str] = frozenset()

    @classmethod
    def of(cls, conflict: Conflict) -> "Images":
        lost = frozenset(filter(None, conflict.lost.split(", ")))
        rule = rules().get(conflict.table_name)
        derived = rule.derived if rule else frozenset()
        return cls(_row(conflict.base), _row(conflict.ours), _row(conflict.theirs), lost, derived)

    @property
    def names(self) -> list[str]:
        """Of all columns that say something, in the order in which the row has them."""
        found = dict.fromkeys(name for row in self.known for name in row)
        return [name for name in found if name not in SILENT]

    @property
    def known(self) -> list[Row]:
        return [row for row in (self.ours, self.theirs, self.base) if row is not None]

    def mark(self, name: str) -> str:
        if name in self.lost:
            return "ours was not taken"
        if name in self.derived or len(self.known) == 1:
            return ""
        here = _changed(self.base, self.ours, name)
        there = _changed(self.base, self.theirs, name)
        if here and there:
            same = self.ours and self.theirs and self.ours.get(name) == self.theirs.get(name)
            return "both changed it alike" if same else "both changed it"
        if here:
            return "changed here"
        if there:
            return "changed on SQL Server"
        return "" if len({repr(row.get(name)) for row in self.known}) == 1 else "differs"


def model_of(table: str) -> type[Model] | None:
    """None for a table that the code of today does not have."""
    rule = rules().get(table)
    return rule.model if rule else None


def columns_of(conflict: Conflict) -> list[Column]:
    """Those first that are not the same everywhere. As many queries as there are kinds of rows it
    points at."""
    images, model = Images.of(conflict), model_of(conflict.table_name)
    fields = {field.attname: field for field in model._meta.concrete_fields} if model else {}
    names = _names_of_rows(images, fields)

    def shown(row: Row | None, name: str) -> str:
        if row is None or name not in row:
            return ""
        return "not shown" if name in SECRET else text_of(row[name], fields.get(name), names)

    columns = [
        Column(
            name=_label(fields.get(name), name),
            base=shown(images.base, name),
            ours=shown(images.ours, name),
            theirs=shown(images.theirs, name),
            mark=images.mark(name),
        )
        for name in images.names
    ]
    return sorted(columns, key=lambda column: not column.mark)


def text_of(value: Any, field: Any = None, names: dict[Any, str] | None = None) -> str:
    """A value as people read it; nothing and an empty text are told apart."""
    choices = dict(field.flatchoices) if field is not None else {}
    match value:
        case None:
            return "none"
        case "":
            return "empty"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S.%f}".rstrip("0").rstrip(".") + " UTC"
        case UUID():
            return (names or {}).get(value, str(value))
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, indent=1, default=str)
        case _ if value in choices:
            label = str(choices[value]).lower()
            return label if label == str(value).lower() else f"{label} ({value})"
    text = str(value)
    more = len(text) - SHOWN
    return f"{text[:SHOWN]}… and {more:,} characters more" if more > 0 else text


def _row(image: str | None) -> Row | None:
    return None if image is None else results.decode(json.loads(image))


def _changed(base: Row | None, row: Row | None, name: str) -> bool:
    if base is None or row is None or name not in base or name not in row:
        return False
    return bool(base[name] != row[name])


def _label(field: Any, name: str) -> str:
    return capfirst(str(field.verbose_name)) if field is not None else name


def _names_of_rows(images: Images, fields: dict[str, Any]) -> dict[Any, str]:
    """The names of the rows it points at, with the beginning of the key: two may have one name."""
    wanted: dict[type[Model], set[Any]] = {}
    for name, model in _pointers(fields):
        keys = {row[name] for row in images.known if row.get(name) is not None}
        wanted.setdefault(model, set()).update(keys)
    found: dict[Any, str] = {}
    for model, keys in wanted.items():
        for row in model._base_manager.filter(pk__in=keys) if keys else ():
            found[row.pk] = f"{row} ({str(row.pk)[:8]})"
    return found


def _pointers(fields: dict[str, Any]) -> Iterable[tuple[str, type[Model]]]:
    def walk() -> Iterator[tuple[str, type[Model]]]:
        for name, field in fields.items():
            if field.is_relation and issubclass(field.related_model, _NAMED):
                yield name, field.related_model

    return walk()
