"""CSV of a list: its rows as they are filtered, searched and sorted, with the columns it shows."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.contrib.admin.utils import lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest
from django.urls import path
from import_export.admin import ExportMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV
from import_export.resources import Resource

from rodcorp.kit.admin.imports import Importer
from rodcorp.kit.cells import safe_cell

_BATCH = 500


class ExportPage(ExportMixin):
    """The export of a list. A table that can be imported writes the columns its import reads first,
    so that the file can be edited and read back in."""

    importer: type[Importer] | None = None

    export_formats = [CSV]
    skip_export_form = True
    # what makes spreadsheets read it as UTF-8
    to_encoding = "utf-8-sig"
    import_export_change_list_template = "admin/change_list_exchange.html"

    def get_urls(self) -> list[Any]:
        export = self.admin_site.admin_view(self.export_action)
        name = "{}_{}_export".format(*self.get_model_info())
        # past the library's own, which would add its page of options a second time
        urls: list[Any] = super(ExportMixin, self).get_urls()
        return [path("export/", export, name=name), *urls]

    def get_export_resource_classes(self, request: HttpRequest) -> list[type[Resource]]:
        return [_resource(self.export_columns(request))]

    def export_columns(self, request: HttpRequest) -> dict[str, Callable[[Any], object]]:
        """What reads each column from a row."""
        columns: dict[str, Callable[[Any], object]] = {}
        if self.importer is not None:
            importer = self.importer()
            columns = {name: importer.reader_of(name) for name in importer.columns}
        for name in self.get_list_display(request):
            columns.setdefault(name.removeprefix("shown_"), self._reader_of(name))
        return columns

    def get_export_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_export_queryset(request)
        if self.importer is not None:
            rows = rows.prefetch_related(*self.importer.prefetches)
        return rows

    def get_export_filename(self, request: HttpRequest, queryset: Any, file_format: Any) -> str:
        plural = str(self.opts.verbose_name_plural).lower().replace(" ", "-")
        return f"{plural}.csv"

    def _reader_of(self, name: str) -> Callable[[Any], object]:
        def read(row: Any) -> object:
            try:
                return lookup_field(name, row, self)[2]
            except ObjectDoesNotExist:
                return None

        return read


class _List(Resource):
    def iter_queryset(self, queryset: Any) -> Iterator[Any]:
        """In batches with what belongs to them; the library's pages repeat the order's work."""
        yield from queryset.iterator(chunk_size=_BATCH)


def _resource(columns: dict[str, Callable[[Any], object]]) -> type[Resource]:
    fields = {name: _Column(name, read) for name, read in columns.items()}
    return type("ListResource", (_List,), fields)


class _Column(Field):
    def __init__(self, name: str, read: Callable[[Any], object]) -> None:
        super().__init__(column_name=name, readonly=True)
        self._read = read

    def export(self, row: Any, **kwargs: Any) -> str:
        value = self._read(row)
        return safe_cell(value.isoformat() if isinstance(value, datetime) else value)
