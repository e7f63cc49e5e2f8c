"""Everything the web server serves: static files straight from the packages that bring them,
figures for Prometheus, and Django for the rest."""

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
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles


def _packages_with_static_files() -> list[str | tuple[str, str]]:
    return [
        (config.name, "static")
        for config in apps.get_app_configs()
        if find_spec(config.name) and (Path(config.path) / "static").is_dir()
    ]


def _metrics(request: Request) -> Response:
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


application = Starlette(
    routes=[
        Mount("/static", StaticFiles(packages=_packages_with_static_files()), name="static"),
        Route("/metrics", _metrics),
        Mount("/", _django),
    ]
)
