"""Results and request bodies as JSON, so that a marker can keep the one and compare the other."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Model

_DECODERS: dict[str, Callable[[Any], Any]] = {
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$decimal": Decimal,
    "$uuid": UUID,
    "$tuple": lambda items: tuple(decode(item) for item in items),
}


def encode(value: Any, *, rows_by_key: bool = False) -> Any:
    """`value` as plain JSON; what JSON lacks is an object with one `$` name. A row is kept with
    all its columns or, `rows_by_key`, named by its key."""

    def inner(item: Any) -> Any:
        return encode(item, rows_by_key=rows_by_key)

    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return {"$datetime": value.isoformat()}
        case date():
            return {"$date": value.isoformat()}
        case Decimal():
            return {"$decimal": str(value)}
        case UUID():
            return {"$uuid": str(value)}
        case tuple():
            return {"$tuple": [inner(item) for item in value]}
        case list():
            return [inner(item) for item in value]
        case dict():
            return {str(name): inner(item) for name, item in value.items()}
        case Model() if rows_by_key:
            return {"$row": [value._meta.label_lower, str(value.pk)]}
        case Model():
            fields = {
                field.attname: inner(getattr(value, field.attname))
                for field in value._meta.concrete_fields
            }
            return {"$model": value._meta.label_lower, "fields": fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: inner(getattr(value, f.name)) for f in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} cannot be kept in a unit's marker")


def decode(value: Any, *, alias: str | None = None) -> Any:
    """The value `encode` was given; a model instance comes back as it was then."""
    if isinstance(value, list):
        return [decode(item, alias=alias) for item in value]
    if not isinstance(value, dict):
        return value
    if "$model" in value:
        model = apps.get_model(value["$model"])
        instance = model(**{name: decode(item) for name, item in value["fields"].items()})
        instance._state.adding = False
        instance._state.db = alias
        return instance
    if len(value) == 1:
        [(name, item)] = value.items()
        if name in _DECODERS:
            return _DECODERS[name](item)
    return {name: decode(item, alias=alias) for name, item in value.items()}


def digest(value: Any) -> str:
    """A hash by which two request bodies are compared. A row is the same request whatever has
    become of its columns in between."""
    text = json.dumps(encode(value, rows_by_key=True), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
