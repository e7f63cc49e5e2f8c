"""Writing rows with their history. Services write through these functions and through nothing else.

The audit trail is two things: the history table of every model that changes (`History`), and the
actor columns of every row that never does (`SignedRow`). Both name who acted, from the open unit.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from django.db import models
from simple_history.models import HistoricalRecords

from rodcorp.databases.admission import admit
from rodcorp.databases.fields import GuidField, UtcDateTimeField
from rodcorp.databases.ids import new_id
from rodcorp.databases.units import Unit, open_unit
from rodcorp.errors import Conflict

M = TypeVar("M", bound=models.Model)

# SQL Server takes at most 2,100 parameters a statement; mssql-django splits by itself, SQLite's
# limit is higher. This bounds the memory of one statement.
BATCH = 500


class SignedRow(models.Model):
    """Columns that say who wrote the row."""

    actor_kind = models.CharField(max_length=10, db_column="ActorKind", editable=False)
    actor_id = models.CharField(max_length=100, db_column="ActorID", editable=False)
    actor_name = models.CharField(max_length=100, db_column="ActorName", editable=False)
    actor_token = models.CharField(
        max_length=40, default="", blank=True, db_column="ActorToken", editable=False
    )
    actor_address = models.CharField(
        max_length=45, default="", blank=True, db_column="ActorAddress", editable=False
    )

    class Meta:
        abstract = True


class History(HistoricalRecords):
    """simple-history with this project's key, time and actor.

    Rows are written by the functions of this module, which know the open unit, not by signals,
    which miss `update()` and `bulk_create()` and would write a second row for a `save()`.
    """

    def __init__(self, *, table: str, excluded_fields: Sequence[str] = ()) -> None:
        super().__init__(
            bases=[SignedRow],
            table_name=table,
            excluded_fields=list(excluded_fields),
            history_id_field=GuidField(default=new_id),
            history_user_id_field=models.CharField(max_length=100, null=True),
            history_user_getter=lambda row, **kwargs: None,
            history_user_setter=lambda row, user: None,
            use_base_model_db=True,
        )

    def get_extra_fields(self, model: Any, fields: Any) -> Any:
        extra = super().get_extra_fields(model, fields)
        extra["history_date"] = UtcDateTimeField()
        return extra

    def copy_fields(self, model: Any) -> Any:
        fields = super().copy_fields(model)
        for field in fields.values():
            # history is looked up by the row it tells of, never by what that row points at
            if isinstance(field, models.ForeignKey):
                field.db_index = False  # type: ignore[attr-defined]
        return fields

    def finalize(self, sender: type[models.Model], **kwargs: Any) -> None:
        super().finalize(sender, **kwargs)
        if self.cls is sender:
            for signal, receiver in (
                (models.signals.post_save, self.post_save),
                (models.signals.post_delete, self.post_delete),
                (models.signals.pre_delete, self.pre_delete),
            ):
                signal.disconnect(receiver, sender=sender)


def signature(unit: Unit) -> dict[str, str]:
    """The actor columns for rows written in this unit."""
    actor = unit.actor
    return {
        "actor_kind": str(actor.kind),
        "actor_id": actor.id[:100],
        "actor_name": actor.name[:100],
        "actor_token": actor.token,
        "actor_address": actor.address,
    }


def insert(row: M) -> M:
    """Insert one row, signed or with its history."""
    return insert_many([row])[0]


def insert_many(rows: Sequence[M]) -> Sequence[M]:
    """Insert rows of one model in a few statements, signed or with their history."""
    if not rows:
        return rows
    unit = open_unit()
    model = type(rows[0])
    signed = isinstance(rows[0], SignedRow)
    if signed:
        _sign(rows, unit)
    names = [field.attname for field in model._meta.concrete_fields]
    _prepare("insert", rows, names, unit)
    if len(rows) == 1:
        rows[0].save(force_insert=True, using=unit.alias)
    else:
        model._base_manager.using(unit.alias).bulk_create(rows, batch_size=BATCH)
    if not signed:
        _record(rows, "+", unit)
    return rows


def change(row: M, **values: Any) -> M:
    """Update the columns that differ, and record it. Nothing differs: nothing is written.

    A row with a `version` is changed only if nobody changed it since it was read: `Conflict`.
    """
    values = {name: value for name, value in values.items() if getattr(row, name) != value}
    if not values:
        return row
    unit = open_unit()
    matching = type(row)._base_manager.using(unit.alias).filter(pk=row.pk)
    if version := getattr(row, "version", None):
        matching = matching.filter(version=version)
        values["version"] = version + 1
    before = {name: getattr(row, name) for name in values}
    for name, value in values.items():
        setattr(row, name, value)
    _prepare("update", [row], list(values), unit)
    if matching.update(**values) != 1:
        for name, value in before.items():
            setattr(row, name, value)
        raise Conflict("This was changed by somebody else meanwhile; read it again and repeat.")
    _record([row], "~", unit)
    return row


def change_many(rows: Sequence[M], fields: Sequence[str]) -> None:
    """Write these columns of rows that were already changed in memory, and record it."""
    if not rows:
        return
    unit = open_unit()
    _prepare("update", rows, fields, unit)
    model = type(rows[0])
    manager = model._base_manager.using(unit.alias)
    columns = [field for field in model._meta.concrete_fields if field.name in fields]
    first = {field.attname: getattr(rows[0], field.attname) for field in columns}
    if all(getattr(row, name) == value for row in rows for name, value in first.items()):
        # a CASE with a branch a row takes ten times as long
        for start in range(0, len(rows), BATCH):
            manager.filter(pk__in=[row.pk for row in rows[start : start + BATCH]]).update(**first)
    else:
        manager.bulk_update(rows, fields, batch_size=BATCH)
    _record(rows, "~", unit)


def delete_many(rows: Iterable[models.Model], *, refer_to_each_other: bool = False) -> None:
    """Delete rows of one model and keep, in their history, what they were.

    With `refer_to_each_other` the database alone decides what a row may leave behind: Django
    refuses a row that points at itself, as a thread's first message does. Those that refer to
    others must come first.
    """
    rows = list(rows)
    if not rows:
        return
    unit = open_unit()
    _prepare("delete", rows, [], unit)
    _record(rows, "-", unit)
    model = type(rows[0])
    for start in range(0, len(rows), BATCH):
        pks = [row.pk for row in rows[start : start + BATCH]]
        matching = model._base_manager.using(unit.alias).filter(pk__in=pks)
        if refer_to_each_other:
            matching._raw_delete(unit.alias)
        else:
            matching.delete()


def _prepare(
    operation: str, rows: Sequence[models.Model], names: Sequence[str], unit: Unit
) -> None:
    """Where there are two databases: what is written must be the same on both."""
    if not unit.has_primary:
        return
    if unit.side.is_copy and operation != "delete":
        admit(rows, names)
    table, values = rows[0]._meta.db_table, _values(type(rows[0]), tuple(names))
    for row in rows:
        unit.note(operation, table, str(row.pk), values(row))


@cache
def _values(model: type[models.Model], names: tuple[str, ...]) -> Callable[[models.Model], object]:
    """What reads these columns of a row."""
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    return attrgetter(*(field.attname for field in fields)) if fields else lambda row: ()


def _sign(rows: Iterable[models.Model], unit: Unit) -> None:
    columns = signature(unit)
    for row in rows:
        for name, value in columns.items():
            setattr(row, name, value)


def _record(rows: Sequence[models.Model], change_type: str, unit: Unit) -> None:
    """Write the after-images (for a deletion the last image) of rows to their history table.

    `history_date` is the unit's time plus a microsecond a row: what one unit did to one row keeps
    its order.
    """
    history = getattr(type(rows[0]), "history", None)
    if history is None:
        return
    model = history.model
    names = [field.attname for field in model.tracked_fields]
    columns = signature(unit)
    images = [
        model(
            history_id=unit.new_id(),
            history_date=_moment(unit),
            history_type=change_type,
            **{name: getattr(row, name) for name in names} | columns,
        )
        for row in rows
    ]
    if len(images) == 1:
        images[0].save(force_insert=True, using=unit.alias)
    else:
        model._base_manager.using(unit.alias).bulk_create(images, batch_size=BATCH)


def _moment(unit: Unit) -> datetime:
    return unit.now + timedelta(microseconds=next(unit.numbers))
