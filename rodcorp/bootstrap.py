"""Django, ready to use from a plain script."""

import os

import django
from django.apps import apps


def setup() -> None:
    """Load the settings and the applications, unless that is done or under way."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rodcorp.settings")
    if not apps.ready and not apps.loading:
        django.setup()
