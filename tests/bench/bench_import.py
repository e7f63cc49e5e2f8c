"""`import_beads` against the least any import must do: parse the files and insert the same rows
(history included) with bare `bulk_create`, in one transaction."""

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.exports import write_export_like_gastown
from tests.bench.harness import Line, fresh_databases, ratio_of

GASTOWN = Path(__file__).resolve().parents[3] / "shared/data/gastown"


def run() -> list[Line]:
    with tempfile.TemporaryDirectory() as directory:
        export = GASTOWN
        if not export.is_dir():
            export = Path(directory) / "gastown"
            write_export_like_gastown(export)
        return [_measure(export)]


def _measure(export: Path) -> Line:
    from django.core.management import call_command
    from django.db import transaction

    def import_it() -> None:
        call_command("import_beads", str(export), verbosity=0)

    fresh_databases()
    import_it()
    rows = _rows_left()

    def insert_bare() -> None:
        for file in sorted(export.glob("*.jsonl")):
            with file.open(encoding="utf-8") as lines:
                for line in lines:
                    json.loads(line)
        with transaction.atomic(using="sqlite"):  # noqa: TID251  the bare thing to compare with
            for model, values in rows:
                model._base_manager.using("sqlite").bulk_create(
                    [model(**row) for row in values], batch_size=500
                )

    ratio = ratio_of(import_it, insert_bare, before=fresh_databases)
    count = sum(len(values) for _, values in rows)
    return Line(f"import_beads / parse and bulk_create of its {count} rows", ratio, 2.0)


def _rows_left() -> list[tuple[Any, list[dict[str, Any]]]]:
    """The rows in the database by model, those others point at first."""
    from agents.models import Agent, Discussion
    from tasks.models import Task, TaskDependency, TaskLabel

    models: list[Any] = []
    for model in (Agent, Task, TaskLabel, Discussion, TaskDependency):
        models += [model, model.history.model]
    left = []
    for model in models:
        names = [field.attname for field in model._meta.concrete_fields]
        left.append((model, list(model._base_manager.values(*names))))
    return [(model, values) for model, values in left if values]
