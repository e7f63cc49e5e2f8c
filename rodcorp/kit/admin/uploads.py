"""The import pages: a file is uploaded, what it would do is shown, then it is done on demand."""

import contextlib
import secrets
import time
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminFileFieldWidget

from rodcorp.databases.units import Unit, run_in_unit
from rodcorp.errors import InvalidInput
from rodcorp.kit.admin.access import actor_of
from rodcorp.kit.admin.csv_files import MAX_ROWS, read_rows
from rodcorp.kit.admin.imports import Cells, Importer, Plan, run_rows

MAX_MEGABYTES = 5
_KEPT_SECONDS = 24 * 3600
_SALT = "rodcorp.import"

_Rows = list[tuple[int, Cells]]


class UploadForm(forms.Form):
    file = forms.FileField(
        label="CSV file",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv"}),
        help_text=f"UTF-8, at most {MAX_MEGABYTES} MB and {MAX_ROWS:,} rows.",
    )

    def clean_file(self) -> bytes:
        file = self.cleaned_data["file"]
        if file.size > MAX_MEGABYTES * 2**20:
            raise forms.ValidationError(
                f"The file has {file.size / 2**20:.1f} MB; at most {MAX_MEGABYTES} MB are read. "
                "Split it."
            )
        data: bytes = file.read()
        return data


class _Stopped(Exception):
    """Undoes the unit: what would be done is not what was confirmed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan


class ImportPages(ModelAdmin):
    """What an admin with an `importer` has besides its list."""

    importer: type[Importer] | None = None

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_import"
        page = path("import/", self.admin_site.admin_view(self.import_view), name=name)
        urls: list[Any] = super().get_urls()
        return [page, *urls] if self.importer else urls

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        shown = {"has_import_permission": self.has_import_permission(request)}
        response: HttpResponse = super().changelist_view(
            request, {**shown, **(extra_context or {})}
        )
        return response

    def import_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_import_permission(request):
            raise PermissionDenied
        if "upload" in request.POST:
            return self._confirmed(request)
        form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
        if form.is_valid():
            try:
                return self._preview(request, form, form.cleaned_data["file"])
            except InvalidInput as error:
                form.add_error("file", error.message)
        return self._page(request, form)

    def _preview(self, request: HttpRequest, form: UploadForm, data: bytes) -> HttpResponse:
        plan = self._run(request, self._rows(request, data), dry_run=True)
        if plan.is_refused or not plan.writes:
            return self._page(request, form, plan=plan)
        return self._page(request, form, plan=plan, upload=self._keep(request, data))

    def _confirmed(self, request: HttpRequest) -> HttpResponse:
        upload = request.POST["upload"]
        form = UploadForm()
        try:
            key = self._key_of(request, upload)
            rows = self._rows(request, _path_of(key).read_bytes())
        except (signing.BadSignature, OSError):
            self.message_user(request, "The file is no longer here; upload it again.", "error")
            return self._page(request, form)
        try:
            counts = self._write(request, rows, key, agreed=request.POST.get("agreed", ""))
        except _Stopped as stopped:
            self.message_user(
                request, "The data changed meanwhile; look again at what would be done.", "warning"
            )
            again = None if stopped.plan.is_refused else upload
            return self._page(request, form, plan=stopped.plan, upload=again)
        said = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        self.message_user(request, f"Imported: {said}.", messages.SUCCESS)
        return HttpResponseRedirect(
            reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        )

    def _rows(self, request: HttpRequest, data: bytes) -> _Rows:
        assert self.importer
        # columns the export adds to those that are imported
        ignored = set(self.export_columns(request)) - set(self.importer.columns)
        return read_rows(self.importer(), data, ignored=ignored)

    def _run(self, request: HttpRequest, rows: _Rows, *, dry_run: bool) -> Plan:
        """The whole file in one unit of work, which a trial undoes."""
        assert self.importer
        importer, actor = self.importer(), actor_of(request)
        return run_in_unit(
            lambda unit: run_rows(importer, actor, rows),
            actor=actor,
            operation=f"import.{self.opts.label_lower}",
            dry_run=dry_run,
        )

    def _write(self, request: HttpRequest, rows: _Rows, key: str, *, agreed: str) -> dict[str, int]:
        """All rows or none, and once: a second confirmation gets the first one's answer."""

        def write(unit: Unit) -> dict[str, int]:
            plan = self._run(request, rows, dry_run=False)
            if plan.is_refused or plan.digest != agreed:
                raise _Stopped(plan)
            return plan.counts

        return run_in_unit(
            write,
            actor=actor_of(request),
            operation=f"import.{self.opts.label_lower}",
            key=key,
        )

    # --- the file between the two pages ----------------------------------------------------------

    def _keep(self, request: HttpRequest, data: bytes) -> str:
        """Keep the file on this host, and return what only this person can confirm it with."""
        key = secrets.token_hex(16)
        _forget_old_files()
        kept = _path_of(key)
        kept.touch(mode=0o600)
        kept.write_bytes(data)
        return signing.dumps([self.opts.label_lower, str(request.user.pk), key], salt=_SALT)

    def _key_of(self, request: HttpRequest, upload: str) -> str:
        table, user, key = signing.loads(upload, salt=_SALT, max_age=_KEPT_SECONDS)
        if (table, user) != (self.opts.label_lower, str(request.user.pk)):
            raise signing.BadSignature("It was uploaded elsewhere.")
        return str(key)

    def _page(
        self,
        request: HttpRequest,
        form: UploadForm,
        *,
        plan: Plan | None = None,
        upload: str | None = None,
    ) -> HttpResponse:
        assert self.importer
        context = {
            **self.admin_site.each_context(request),
            "title": f"Import {self.opts.verbose_name_plural}",
            "table": self.opts,
            "media": self.media,
            "form": form,
            "importer": self.importer,
            "plan": plan,
            "upload": upload,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/import.html", context)


def _path_of(key: str) -> Path:
    folder = Path(settings.DATA_DIR) / "imports"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{key}.csv"


def _forget_old_files() -> None:
    for file in _path_of("x").parent.glob("*.csv"):
        # another process may be tidying up too
        with contextlib.suppress(FileNotFoundError):
            if file.stat().st_mtime < time.time() - _KEPT_SECONDS:
                file.unlink()
