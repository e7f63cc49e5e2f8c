"""The statement that makes what is missing, or the words where no statement does."""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.databases.fields import SQLITE

# SQLite's ALTER TABLE knows names and new columns, no more.
REMAKE = (
    "SQLite cannot change this in place. Restore the file from a backup, or move it away, run "
    "`manage.py migrate` and copy the rows over."
)
UNKNOWN = "Give it a default, let it be NULL, or drop it: rows are written without it."
RESTING = "-- drop what rests on the column first; validate then names it, to be made again"


def new_editor(connection: BaseDatabaseWrapper) -> Any:
    """A schema editor that only writes statements down. It is not entered: that would want a
    transaction of its own."""
    editor: Any = connection.SchemaEditorClass
    editor = editor(connection, collect_sql=True)
    editor.deferred_sql = []
    return editor


class Mending:
    """Of one model's table."""

    def __init__(self, model: type[models.Model], connection: BaseDatabaseWrapper) -> None:
        self.model, self.connection = model, connection
        self.is_sqlite = connection.vendor == SQLITE

    def table(self) -> str:
        editor = new_editor(self.connection)
        editor.create_model(self.model)
        return _joined([*editor.collected_sql, *editor.deferred_sql])

    def column(self, field: Any) -> str:
        if self.is_sqlite and not self._sqlite_can_add(field):
            return REMAKE
        editor = new_editor(self.connection)
        editor.add_field(self.model, field)
        return _joined([*editor.collected_sql, *editor.deferred_sql])

    def _sqlite_can_add(self, field: Any) -> bool:
        """Where Django's own editor would not make the whole table anew."""
        has_default = field.has_db_default() or field.has_default()
        return field.null and not field.unique and not has_default

    def type(self, field: Any) -> str:
        if self.is_sqlite:
            return REMAKE
        parameters = field.db_parameters(self.connection)
        collation = parameters.get("collation")
        collate = f" COLLATE {collation}" if collation else ""
        null = "NULL" if field.null else "NOT NULL"
        column = f"{self._quoted(field.column)} {parameters['type']}{collate} {null}"
        return f"{self._alter(f'ALTER COLUMN {column}')} {RESTING}"

    def default(self, field: Any, value: str, *, has_another: bool) -> str:
        if self.is_sqlite:
            return REMAKE
        made = self._alter(f"ADD DEFAULT {value} FOR {self._quoted(field.column)}")
        return f"Drop the column's default, then: {made}" if has_another else made

    def primary_key(self) -> str:
        columns = ", ".join(self._quoted(str(f.column)) for f in self.model._meta.pk_fields)
        return REMAKE if self.is_sqlite else self._alter(f"ADD PRIMARY KEY ({columns})")

    def check(self, name: str, text: str) -> str:
        named = f"CONSTRAINT {self._quoted(name)} " if name else ""
        return REMAKE if self.is_sqlite else self._alter(f"ADD {named}CHECK ({text})")

    def foreign_key(self, field: Any) -> str:
        if self.is_sqlite:
            return REMAKE
        editor = new_editor(self.connection)
        return _joined([editor._create_fk_sql(self.model, field, "_fk_%(to_table)s_%(to_column)s")])

    def _alter(self, change: str) -> str:
        return f"ALTER TABLE {self._quoted(self.model._meta.db_table)} {change};"

    def _quoted(self, name: str) -> str:
        return self.connection.ops.quote_name(name)


def _joined(statements: list[Any]) -> str:
    return " ".join(f"{str(statement).strip().rstrip(';')};" for statement in statements)
