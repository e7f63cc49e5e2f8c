"""The history page: what changed from what to what, when, and who did it."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import ForeignKey
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.text import capfirst
from simple_history.admin import SimpleHistoryAdmin

from rodcorp.kit.validation import clip

_SHOWN = 300
# moves with every change and says nothing
_SILENT = frozenset({"version"})


@dataclass(frozen=True, slots=True)
class Change:
    field: str
    old: str
    new: str


class HistoryPage(SimpleHistoryAdmin):
    """simple-history's page with a diff of our own: its own leaves out columns that no form edits,
    which are most of those that services move, and the oldest entry of every page."""

    object_history_template: Any = "admin/history.html"
    object_history_list_template: Any = "admin/history_list.html"
    history_list_per_page = 50

    def keeps_history(self) -> bool:
        return hasattr(self.model, "history")

    def first_version(self, record: Any) -> Any:
        """What a row was before its oldest entry, where that is known otherwise."""
        return None

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.keeps_history():
            raise Http404("Rows of this table are never changed.")
        response: HttpResponse = super().history_view(request, object_id, extra_context)
        return response

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def set_history_delta_changes(
        self, request: HttpRequest, historical_records: Any, foreign_keys_are_objs: bool = True
    ) -> None:
        """One entry more than the page shows is read: the one its last is compared with."""
        page = historical_records
        shown = list(page.object_list)
        page.object_list = shown
        older: list[Any] = [None]
        if page.has_next():
            older = list(page.paginator.object_list[page.end_index() : page.end_index() + 1])
        for record, before in zip(shown, [*shown[1:], *older], strict=False):
            before = before or self.first_version(record)
            record.changes = changes_between(before, record) if before else []
            record.note = _note(record, before)

    def get_urls(self) -> list[Any]:
        # not simple-history's own: its page saves an old version over the row
        urls: list[Any] = super(SimpleHistoryAdmin, self).get_urls()
        return urls


def changes_between(before: Any, after: Any) -> list[Change]:
    """The kept columns in which two versions differ, as people read them."""
    return [
        Change(capfirst(str(field.verbose_name)), _shown(field, before), _shown(field, after))
        for field in after.tracked_fields
        if getattr(before, field.attname) != getattr(after, field.attname)
        and field.name not in _SILENT
    ]


def _note(record: Any, before: Any) -> str:
    """What is said of an entry that lists no change."""
    if record.history_type != "~" or record.changes:
        return ""
    if before is None:
        return "What it was before is not in the history."
    return "Something whose value is not kept here, such as a password."


def _shown(field: Any, record: Any) -> str:
    if isinstance(field, ForeignKey):
        return _related(field, record)
    value = getattr(record, field.attname)
    if value is None or value == "":
        return "–"
    if field.flatchoices:
        return str(dict(field.flatchoices).get(value, value)).replace("_", " ").lower()
    if hasattr(value, "strftime"):
        value = value.strftime("%Y-%m-%d %H:%M:%S")
    return clip(str(value), _SHOWN)


def _related(field: Any, record: Any) -> str:
    """The row that is pointed at by its name, if it is still there; the page has joined it."""
    key = getattr(record, field.attname)
    if key is None:
        return "–"
    try:
        row = getattr(record, field.name)
    except ObjectDoesNotExist:
        row = None
    return str(key if row is None else row)
