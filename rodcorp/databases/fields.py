"""Field classes that store the same value, and compare it alike, in SQL Server and SQLite."""

import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Combinable, Func
from django.db.models.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    # The stubs' fields are generic, Django's own are not. They read as Any because some of these
    # columns are nullable and one class cannot say both.
    _Char = models.CharField[str | int | Combinable | None, Any]
    _Int = models.IntegerField[float | int | str | Combinable | None, Any]
    _BigInt = models.BigIntegerField[float | int | str | Combinable | None, Any]
    _Decimal = models.DecimalField[str | float | Decimal | Combinable | None, Any]
    _Uuid = models.UUIDField[str | UUID | Combinable | None, Any]
    _DateTime = models.DateTimeField[str | date | datetime | Combinable | None, Any]
else:
    _Char = models.CharField
    _Int = models.IntegerField
    _BigInt = models.BigIntegerField
    _Decimal = models.DecimalField
    _Uuid = models.UUIDField
    _DateTime = models.DateTimeField

MICROSOFT = "microsoft"
SQLITE = "sqlite"

# Case-insensitive like SQLite's NOCASE, accents kept apart; pinned so that the server's own
# collation cannot change which names are equal.
KEY_COLLATIONS = {SQLITE: "NOCASE", MICROSOFT: "Latin1_General_100_CI_AS_SC"}
EXACT_COLLATIONS = {SQLITE: "BINARY", MICROSOFT: "Latin1_General_100_BIN2"}


def fold(text: str) -> str:
    """The form in which two keys are compared: NFC, stripped, case-folded."""
    return unicodedata.normalize("NFC", text).strip().casefold()


class NewGuid(Func):
    """The database's own fresh UUID, for rows written by others."""

    template = "NEWID()"
    arity = 0

    def __init__(self) -> None:
        super().__init__(output_field=GuidField())

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        return self.as_sql(compiler, connection, template="lower(hex(randomblob(16)))")


class CurrentTime(Func):
    """The database's own clock, for rows written by others: on SQL Server its local time, which
    the start-up check requires to be UTC."""

    template = "GETDATE()"
    arity = 0

    def __init__(self) -> None:
        super().__init__(output_field=UtcDateTimeField())

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        return self.as_sql(
            compiler, connection, template="strftime('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'now')"
        )


class GuidField(_Uuid):
    """UUID as `uniqueidentifier` on SQL Server. mssql-django would make it char(32)."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        if connection.vendor == MICROSOFT:
            return "uniqueidentifier"
        return super().db_type(connection)

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        if connection.vendor == MICROSOFT and value is not None:
            # a uniqueidentifier parameter wants the dashes
            value = self.to_python(value)
            return str(value) if isinstance(value, UUID) else value
        return super().get_db_prep_value(value, connection, prepared)


class UtcDateTimeField(_DateTime):
    """UTC as `datetime2` on SQL Server. Under USE_TZ mssql-django would make it datetimeoffset."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return "datetime2" if connection.vendor == MICROSOFT else super().db_type(connection)

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        if connection.vendor == MICROSOFT and not hasattr(value, "resolve_expression"):
            value = self.get_prep_value(value)
            if isinstance(value, datetime):
                return value.astimezone(UTC).replace(tzinfo=None)
        return super().get_db_prep_value(value, connection, prepared)


class KeyField(_Char):
    """Text that identifies: compared without case, stored and looked up stripped and in NFC."""

    collations = KEY_COLLATIONS

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters = super().db_parameters(connection)
        parameters["collation"] = self.collations[connection.vendor]
        return parameters

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if isinstance(value, str):
            return unicodedata.normalize("NFC", value).strip()
        return value


class ExactKeyField(KeyField):
    """Text that identifies elsewhere, by rules that are not ours: case counts."""

    collations = EXACT_COLLATIONS


class _NullReadsAsDefault:
    """A documented column is nullable and has a default: a NULL somebody wrote reads as it."""

    default: Any

    def from_db_value(self, value: Any, *args: Any) -> Any:
        return self.default if value is None else value


class DefaultCharField(_NullReadsAsDefault, _Char):
    pass


class DefaultIntegerField(_NullReadsAsDefault, _Int):
    pass


class DefaultBigIntegerField(_NullReadsAsDefault, _BigInt):
    pass


class DefaultDecimalField(_NullReadsAsDefault, _Decimal):
    pass
