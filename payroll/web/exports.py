"""Files that say what a page says."""

import csv
from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse, JsonResponse

from rodcorp.kit.cells import safe_cell


def csv_file(name: str, rows: Iterable[Iterable[object]]) -> HttpResponse:
    response = HttpResponse(
        "\ufeff",  # tells spreadsheets that the file is UTF-8
        content_type="text/csv; charset=utf-8",
        headers=_attached(f"{name}.csv"),
    )
    csv.writer(response).writerows([safe_cell(cell) for cell in row] for row in rows)
    return response


def json_file(name: str, content: dict[str, Any]) -> HttpResponse:
    shape = {"ensure_ascii": False, "indent": 2}
    return JsonResponse(content, json_dumps_params=shape, headers=_attached(f"{name}.json"))


def _attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
