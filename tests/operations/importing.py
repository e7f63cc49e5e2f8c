"""Running an import as a script would, and seeing what it left."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import CommandError, call_command

from rodcorp.databases.router import REPLICATED_APPS


@dataclass
class Run:
    exit_code: int
    out: str
    err: str


def run_command(name: str, path: Path, **options: Any) -> Run:
    out, err = StringIO(), StringIO()
    try:
        call_command(name, str(path), stdout=out, stderr=err, **options)
    except CommandError as error:
        return Run(error.returncode, out.getvalue(), f"{err.getvalue()}{error}")
    return Run(0, out.getvalue(), err.getvalue())


def everything() -> dict[str, list[str]]:
    """Every row of the company's data, as text."""
    return {
        model.__name__: sorted(str(row) for row in model._base_manager.values())
        for model in apps.get_models()
        if model._meta.app_label in REPLICATED_APPS
    }
