"""What a model wants its table to have, in its database's words, with what would mend its lack."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.databases.catalog.mending import Mending, new_editor
from rodcorp.databases.catalog.sqltext import type_name
from rodcorp.databases.catalog.structure import ForeignKey, fold
from rodcorp.databases.fields import EXACT_COLLATIONS


@dataclass(frozen=True)
class WantedIndex:
    """Without columns it is one of expressions, which only its name tells."""

    name: str
    columns: tuple[str, ...]
    is_unique: bool
    condition: str
    fix: str


@dataclass(frozen=True)
class WantedCheck:
    """`name` is empty for a field's own."""

    name: str
    text: str
    fix: str


class Wanted:
    def __init__(self, model: type[models.Model], connection: BaseDatabaseWrapper) -> None:
        self.model, self.connection, self.meta = model, connection, model._meta
        self.fields: list[Any] = list(self.meta.local_concrete_fields)
        self.table = self.meta.db_table
        # SQLite's columns without a collation compare bytes; SQL Server's text always has one.
        self.plain_collation = EXACT_COLLATIONS[connection.vendor]
        self.editor = new_editor(connection)
        self.mending = Mending(model, connection)

    def type(self, field: Any) -> str:
        return type_name(field.db_parameters(self.connection)["type"])

    def collation(self, field: Any) -> str | None:
        """None if any will do."""
        collation: str | None = field.db_parameters(self.connection).get("collation")
        return collation

    def default(self, field: Any) -> str | None:
        """None if it is not the database's business."""
        if not field.has_db_default():
            return None
        sql, parameters = self.editor.db_default_sql(field)
        return str(sql % tuple(map(self.editor.quote_value, parameters)) if parameters else sql)

    def primary_key(self) -> tuple[str, ...]:
        return tuple(str(field.column) for field in self.meta.pk_fields)

    def uniques(self) -> Iterator[WantedIndex]:
        make = self.editor._create_unique_sql
        for field in self.fields:
            if field.unique and not field.primary_key:
                yield self._index([field.name], make(self.model, [field]), is_unique=True)
        for names in self.meta.unique_together:
            made = make(self.model, [self.meta.get_field(name) for name in names])
            yield self._index(names, made, is_unique=True)
        for constraint in self.meta.constraints:
            if isinstance(constraint, models.UniqueConstraint):
                made = constraint.create_sql(self.model, self.editor)
                yield self._index(constraint.fields, made, is_unique=True, of=constraint)

    def indexes(self) -> Iterator[WantedIndex]:
        for field in self.fields:
            if self.editor._field_should_be_indexed(self.model, field):
                made = self.editor._create_index_sql(self.model, fields=[field])
                yield self._index([field.name], made)
        for index in self.meta.indexes:
            names = [name for name, _ in index.fields_orders]
            yield self._index(names, index.create_sql(self.model, self.editor), of=index)

    def _index(
        self, names: Any, made: object, *, is_unique: bool = False, of: Any = None
    ) -> WantedIndex:
        columns = tuple(str(self._field(name).column) for name in names)
        condition = of._get_condition_sql(self.model, self.editor) if of else None
        return WantedIndex(of.name if of else "", columns, is_unique, condition or "", f"{made};")

    def _field(self, name: str) -> Any:
        return self.meta.get_field(name)

    def checks(self) -> Iterator[WantedCheck]:
        for field in self.fields:
            if text := field.db_parameters(self.connection)["check"]:
                yield WantedCheck("", text, self.mending.check("", text))
        for constraint in self.meta.constraints:
            if isinstance(constraint, models.CheckConstraint):
                of: Any = constraint
                text = of._get_check_sql(self.model, self.editor)
                fix = self.mending.check(constraint.name, text)
                yield WantedCheck(constraint.name, text, fix)

    def foreign_keys(self) -> Iterator[tuple[Any, ForeignKey]]:
        """Each with the field it is for."""
        for field in self.fields:
            if getattr(field, "db_constraint", False):
                target = field.target_field
                table = target.model._meta.db_table
                key = ForeignKey(fold(field.column), fold(table), fold(target.column))
                yield field, key
