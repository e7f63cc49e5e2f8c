"""An admin whose writes are services, and one that only shows."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.db.models import Model, QuerySet, TextField
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import linebreaksbr
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from unfold.admin import ModelAdmin, TabularInline

from rodcorp.actors import Actor, Permission
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import RodCorpError
from rodcorp.kit.admin.access import actor_of, may
from rodcorp.kit.admin.exports import ExportPage
from rodcorp.kit.admin.forms import BaseForm
from rodcorp.kit.admin.history import HistoryPage
from rodcorp.kit.admin.uploads import ImportPages

if TYPE_CHECKING:
    # generic in the stubs only
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class _WithoutOuterTransaction(_ModelAdmin):
    """Django wraps these views in a transaction on the model's database. Only a unit of work opens
    one here: it knows the alias it began on, and the outer one would hold the file's write lock
    while a page is rendered."""

    @method_decorator(csrf_protect)
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        view: Callable[..., Any] = self._changeform_view  # type: ignore[attr-defined]
        try:
            return view(request, object_id, form_url, extra_context)
        except RodCorpError:
            # The data changed between the trial and the write. The second trial sees it as it is
            # now and puts the refusal into the form.
            return view(request, object_id, form_url, extra_context)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise PermissionDenied


class BaseAdmin(ImportPages, ExportPage, HistoryPage, ModelAdmin, _WithoutOuterTransaction):
    """An admin says what its services take; everything else on its pages is read only.

    `create` and `change` call the services; both run in one unit of work. Without `add_fields` no
    row is added here, without `change_fields` none is changed; nothing is ever deleted.
    """

    form = BaseForm
    add_fields: ClassVar[tuple[str, ...]] = ()
    change_fields: ClassVar[tuple[str, ...]] = ()
    # what it takes to see rows, and to add, change, import and act on them
    sees: ClassVar[Permission] = Permission.VIEW
    needs: ClassVar[Permission]

    show_full_result_count = False
    list_per_page = 50
    empty_value_display = "–"
    change_form_before_template = "admin/hidden_fields.html"

    class Media:
        css = {"all": ["kit/admin.css"]}

    def __init__(self, model: type[Model], admin_site: Any) -> None:
        super().__init__(model, admin_site)
        self.readonly_preprocess_fields = {
            field.name: linebreaksbr for field in model._meta.fields if isinstance(field, TextField)
        }

    def create(self, actor: Actor, key: str | None, **values: Any) -> Model:
        """With the `key`, where the service takes one, a form that is sent twice writes once."""
        raise NotImplementedError

    def change(self, actor: Actor, row: Any, **values: Any) -> Model:
        """`values` are those that differ from what the form showed."""
        raise NotImplementedError

    def label_of(self, row: Any) -> str:
        """What tells the row apart from all others where one is chosen."""
        return str(row)

    # --- who may do what ------------------------------------------------------------------------

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request, self.sees)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.sees)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(self.add_fields) and may(request, self.needs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(self.change_fields) and may(request, self.needs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """For actions on the rows of a list: `permissions=["act"]`."""
        return may(request, self.needs)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return may(request, self.sees)

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.importer is not None and may(request, self.needs)

    # --- writing --------------------------------------------------------------------------------

    def serve(
        self, request: HttpRequest, row: Model | None, form: BaseForm, *, dry_run: bool = False
    ) -> Model:
        actor = actor_of(request)

        def write(unit: object) -> Model:
            if row is None:
                return self.create(actor, form.key_given(), **form.values(self.add_fields))
            changed = [name for name in self.change_fields if name in form.changed_data]
            # a copy: a trial must leave no trace on the row either
            return self.change(actor, copy.copy(row), **form.values(changed))

        return run_in_unit(
            write, actor=actor, operation=f"admin.{self.opts.label_lower}", dry_run=dry_run
        )

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.serve = lambda form, **options: self.serve(request, obj, form, **options)
        return form

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        return form.save()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The service has written it."""

    def save_related(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Inlines only show."""

    def for_each(
        self, request: HttpRequest, rows: QuerySet[Any], service: Callable[..., Any], name: str
    ) -> None:
        """Call a service with each of the chosen rows, and say what it did and refused."""
        done = 0
        for row in rows:
            try:
                service(actor=actor_of(request), **{name: row})
                done += 1
            except RodCorpError as error:
                self.message_user(request, f"{row}: {error.message}", messages.ERROR)
        if done:
            self.message_user(request, f"Done for {done}.", messages.SUCCESS)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The history tables are the audit trail; Django's log has no table here."""

    log_change = log_addition

    # --- pages ----------------------------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        shown = {**(extra_context or {}), "show_history": self.keeps_history()}
        return super().changeform_view(request, object_id, form_url, shown)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": self.add_fields})]
        if self.has_change_permission(request, obj):
            return self.fieldsets
        # what only the form knows, a new password for one, cannot be shown
        return [
            (
                title,
                {**options, "fields": [name for name in options["fields"] if self._is_kept(name)]},
            )
            for title, options in self.fieldsets or []
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        shown = flatten_fieldsets(self.get_fieldsets(request, obj))
        return [name for name in shown if name not in self.change_fields]

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_inline_instances(request, obj) if obj else []

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if hasattr(field, "label_from_instance"):
            related = self.admin_site._registry.get(db_field.related_model)
            if isinstance(related, BaseAdmin):
                field.label_from_instance = related.label_of
            if isinstance(field.widget, RelatedFieldWidgetWrapper):
                field.widget = field.widget.widget
        return field

    def _is_kept(self, name: Any) -> bool:
        try:
            self.opts.get_field(name)
        except FieldDoesNotExist:
            return hasattr(self, name)
        return True


class ReadOnlyAdmin(BaseAdmin):
    """Rows that are only shown. The admin's docstring says why."""

    # nothing here asks for it; an action of a subclass may
    needs = Permission.RUN_SYSTEM


class ReadOnlyInline(TabularInline):
    """Rows that belong to the one on the page, only shown. `fields` says which columns."""

    extra = 0
    max_num = 0
    can_delete = False
    hide_title = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_add_permission
    has_delete_permission = has_add_permission


class Autocomplete(AutocompleteJsonView):
    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, Any]:
        result = super().serialize_result(obj, to_field_name)
        if isinstance(self.model_admin, BaseAdmin):
            result["text"] = self.model_admin.label_of(obj)
        return result
