"""System checks: what must be true of the models before the two databases can be one."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from rodcorp.databases.fields import GuidField
from rodcorp.databases.router import REPLICATED_APPS, home_of


@register
def every_app_has_a_home(app_configs: Any, **kwargs: Any) -> Iterable[CheckMessage]:
    for config in apps.get_app_configs():
        if not config.models:
            continue
        try:
            home_of(config.label)
        except ImproperlyConfigured as error:
            yield Error(str(error), obj=config, id="databases.E001")


@register
def replicated_rows_have_uuid_keys(app_configs: Any, **kwargs: Any) -> Iterable[CheckMessage]:
    for model in apps.get_models(include_auto_created=True):
        if model._meta.app_label not in REPLICATED_APPS:
            continue
        if not isinstance(model._meta.pk, GuidField):
            yield Error(
                "A replicated model needs a GuidField as its primary key.",
                hint="Two databases would hand out the same numbers.",
                obj=model,
                id="databases.E002",
            )
        if model._meta.auto_created:
            yield Error(
                "A many-to-many of a replicated model needs an explicit through model.",
                obj=model,
                id="databases.E003",
            )
