"""The one priority scale, for messages and tasks: larger is more urgent."""

from django.db import models

from rodcorp.errors import InvalidInput


class Priority(models.IntegerChoices):
    LOW = 10, "low"
    NORMAL = 20, "normal"
    HIGH = 30, "high"
    URGENT = 40, "urgent"


def parse_priority(value: object, field: str = "priority") -> Priority:
    """A priority from its word or its rank."""
    if isinstance(value, Priority):
        return value
    if isinstance(value, str):
        wanted = value.strip().lower()
        for priority in Priority:
            if wanted in (priority.label, str(priority.value)):
                return priority
    elif isinstance(value, int) and not isinstance(value, bool) and value in Priority.values:
        return Priority(value)
    allowed = ", ".join(f"{priority.label} ({priority.value})" for priority in Priority)
    raise InvalidInput(f"{field} must be one of: {allowed}; it was {value!r}.", field=field)
