"""Which models' rows are the same on both sides."""

from django.apps import apps
from django.db import models

from rodcorp.databases.router import REPLICATED_APPS

# The engine's own rows on either side: they are neither journaled nor copied.
UNJOURNALED = frozenset({"databases.host", "databases.outboxmessage"})


def replicated_models() -> list[type[models.Model]]:
    """History tables are among them."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in REPLICATED_APPS
        and model._meta.managed
        and model._meta.label_lower not in UNJOURNALED
    ]
