"""Which models' rows are the same on both sides."""

from django.apps import apps
from django.db import models

from rodcorp.databases.router import REPLICATED_APPS

# The engine's own rows on either side: they are neither journaled nor copied.
UNJOURNALED = frozenset({"databases.host", "databases.outboxmessage"})


def replicated_models() -> list[type[models.Model]]:
    """History tables are among them. A model with `is_derived` is not: its rows follow from others
    and are made on each side by what those rows' rule says (`after_insert`, `rebuild`)."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in REPLICATED_APPS
        and model._meta.managed
        and model._meta.label_lower not in UNJOURNALED
        and not getattr(model, "is_derived", False)
    ]
