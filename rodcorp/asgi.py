"""Everything the web server serves: static files straight from the packages that bring them, and
Django for the rest."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from django.core.asgi import get_asgi_application
from starlette.types import ASGIApp

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rodcorp.settings")
# loads the applications, which must happen before anything imports a model
_django = cast(ASGIApp, get_asgi_application())

from django.apps import apps
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles


def _packages_with_static_files() -> list[str | tuple[str, str]]:
    return [
        (config.name, "static")
        for config in apps.get_app_configs()
        if find_spec(config.name) and (Path(config.path) / "static").is_dir()
    ]


application = Starlette(
    routes=[
        Mount("/static", StaticFiles(packages=_packages_with_static_files()), name="static"),
        Mount("/", _django),
    ]
)
