"""The whole database as values, for tests of what fills or empties it."""

from django.apps import apps

from rodcorp.actors import Actor
from rodcorp.databases.router import REPLICATED_APPS
from rodcorp.databases.units import run_in_unit

LOADER = Actor.system("test")


def business_models():
    """Without the engine's own rows, which say what was done here and not what there is."""
    return [
        model
        for model in apps.get_models()
        if model._meta.app_label in REPLICATED_APPS - {"databases"}
        and not model.__name__.startswith("Historical")
    ]


def everything():
    """All rows but the history, as values, by table."""
    return {
        model._meta.db_table: sorted(model._base_manager.values_list(), key=str)
        for model in business_models()
    }


def undone(work, blocker):
    """What `work` returns; what it wrote is rolled back."""
    with blocker.unblock():
        return run_in_unit(lambda unit: work(), actor=LOADER, operation="test", dry_run=True)
