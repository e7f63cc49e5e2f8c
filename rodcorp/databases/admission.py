"""What SQL Server would refuse is refused while the copy stands in for it.

SQLite stores a text of any length in any column and compares only ASCII without case. A row that
SQL Server will not take later would be an acknowledged write that cannot be replayed.

A missing parent needs nothing here: SQLite refuses it when the unit commits.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache, partial
from typing import Any

from django.db import models

from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.fields import ExactKeyField, KeyField, fold
from rodcorp.errors import Conflict, InvalidInput

# By Django's name of the column type; SQL Server's int, smallint and bigint.
_RANGES = {
    "SmallIntegerField": (-(2**15), 2**15 - 1),
    "PositiveSmallIntegerField": (0, 2**15 - 1),
    "IntegerField": (-(2**31), 2**31 - 1),
    "PositiveIntegerField": (0, 2**31 - 1),
    "BigIntegerField": (-(2**63), 2**63 - 1),
    "PositiveBigIntegerField": (0, 2**63 - 1),
}


def admit(rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """Raises `InvalidInput` or `Conflict`, naming the field, for the first of these columns that
    SQL Server would refuse."""
    if not rows:
        return
    model = type(rows[0])
    looks, groups = _about(model, tuple(names))
    for row in rows:
        for attname, look in looks:
            value = getattr(row, attname)
            if value is not None:
                look(value)
    for group in groups:
        _admit_uniqueness(model, rows, group)


@cache
def _about(
    model: type[models.Model], names: tuple[str, ...]
) -> tuple[list[tuple[str, Callable[[Any], None]]], list[list[Any]]]:
    """What there is to look at when these columns are written: one by one, and together."""
    looks = _looks(model)
    groups = [
        list(group)
        for group in _unique_groups(model)
        if any(field.name in names or field.attname in names for field in group)
    ]
    return [looks[name] for name in names if name in looks], groups


def _looks(model: type[models.Model]) -> dict[str, tuple[str, Callable[[Any], None]]]:
    """How to look at a value of each column that can be wrong, by the field's names."""
    found = {}
    for field in model._meta.concrete_fields:
        if (look := _look_for(field)) is not None:
            found[field.name] = found[field.attname] = (field.attname, look)
    return found


def _look_for(field: Any) -> Callable[[Any], None] | None:
    if field.is_relation or field.choices:
        return None
    if isinstance(field, models.CharField | models.TextField):
        return _look_for_text(field)
    if isinstance(field, models.DecimalField):
        return partial(_admit_decimal, field)
    if field.get_internal_type() in _RANGES:
        return partial(_admit_integer, field)
    return None


def _admit_integer(field: Any, value: Any) -> None:
    lowest, highest = _RANGES[field.get_internal_type()]
    if isinstance(value, int) and not lowest <= value <= highest:
        raise InvalidInput(
            f"{field.name} must be from {lowest} to {highest}; it was {value}.", field=field.name
        )


def _look_for_text(field: Any) -> Callable[[Any], None]:
    limit = field.max_length if isinstance(field, models.CharField) else None

    def look(value: Any) -> None:
        if not isinstance(value, str):
            return
        plain = value.isascii()
        # NVARCHAR counts UTF-16 units
        length = len(value) if plain else len(value.encode("utf-16-le", "surrogatepass")) // 2
        if limit is not None and length > limit:
            raise InvalidInput(
                f"{field.name} is {length} characters long; at most {limit} are allowed.",
                field=field.name,
            )
        if "\x00" in value:
            message = f"{field.name} contains a NUL character; remove it."
            raise InvalidInput(message, field=field.name)

    return look


def _admit_decimal(field: Any, value: Any) -> None:
    if not isinstance(value, Decimal):
        return
    whole = field.max_digits - field.decimal_places
    if not value.is_finite() or abs(value.quantize(Decimal(1).scaleb(-field.decimal_places))) >= (
        Decimal(10) ** whole
    ):
        raise InvalidInput(
            f"{field.name} must have at most {whole} digits before the point; it was {value}.",
            field=field.name,
        )


def _unique_groups(model: type[models.Model]) -> tuple[tuple[Any, ...], ...]:
    """The columns that together are unique, where one of them is compared without case."""
    groups: list[list[Any]] = [[field] for field in model._meta.concrete_fields if field.unique]
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint) and not constraint.condition:
            groups.append([model._meta.get_field(name) for name in constraint.fields])
    return tuple(tuple(group) for group in groups if any(map(_ignores_case, group)))


def _ignores_case(field: Any) -> bool:
    return isinstance(field, KeyField) and not isinstance(field, ExactKeyField)


def _admit_uniqueness(
    model: type[models.Model], rows: Sequence[models.Model], group: list[Any]
) -> None:
    """SQLite itself sees clashes of ASCII letters; the others are looked for among the rows that
    agree in the remaining columns."""
    keys = [field for field in group if _ignores_case(field)]
    rest = [field for field in group if field not in keys]
    seen: dict[tuple[Any, ...], Any] = {}
    for row in rows:
        texts = [str(getattr(row, field.attname) or "") for field in keys]
        if all(map(str.isascii, texts)):
            continue
        folded = tuple(map(fold, texts))
        same = {field.attname: getattr(row, field.attname) for field in rest}
        others = model._base_manager.using(SQLITE).filter(**same).exclude(pk=row.pk)
        known = others.values_list(*(field.attname for field in keys))
        place = (*folded, *same.values())
        if place in seen or any(
            tuple(fold(str(text or "")) for text in texts) == folded for texts in known.iterator()
        ):
            names = ", ".join(field.name for field in keys)
            raise Conflict(
                f"{names} {texts[0]!r} is taken; capital letters do not tell names apart.",
                field=keys[0].name,
            )
        seen[place] = row
