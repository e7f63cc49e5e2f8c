"""What the console's pages are built from. Signing in is required everywhere (middleware); what a
page needs besides is its `needs`."""

import csv
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.generic import TemplateView
from django.views.generic.base import ContextMixin, View
from django_filters.views import FilterView
from django_tables2 import LazyPaginator, SingleTableMixin

from rodcorp.actors import Actor, Permission, actor_of
from rodcorp.kit.web.filters import BaseFilter
from rodcorp.kit.web.forms import ServiceForm
from rodcorp.kit.web.tables import BaseTable


class Page(ContextMixin, View):
    """A page in the console's shell, for those who may see it."""

    needs: ClassVar[Permission] = Permission.VIEW
    # what sending something to it needs, where that is more than seeing it
    needs_to_send: ClassVar[Permission | None] = None
    title = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        sends = request.method not in ("GET", "HEAD", "OPTIONS")
        needed = self.needs_to_send if sends and self.needs_to_send else self.needs
        if not request.user.may(needed):  # type: ignore[union-attr]
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def may(self, permission: Permission) -> bool:
        allowed: bool = self.request.user.may(permission)  # type: ignore[union-attr]
        return allowed

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **admin.site.each_context(self.request), **{"title": self.title, **kwargs}
        )


class ContentPage(Page, TemplateView):
    """A page of its own making: `template_name` and `get_context_data`."""


class FormPage(ContentPage):
    """A form that asks a service: `form_class`, `serve`, and `done_url`, where it leads then."""

    template_name = "components/form_page.html"
    form_class: type[ServiceForm]
    submit = "Save"
    # said on the page it leads to
    done = "Saved."

    def serve(self, actor: Actor, form: Any) -> Any:
        """Ask the service. What it refuses is said in the form."""
        raise NotImplementedError

    def done_url(self, result: Any) -> str:
        raise NotImplementedError

    def get_form(self, data: Any = None) -> ServiceForm:
        return self.form_class(data, **self.get_form_kwargs())

    def get_form_kwargs(self) -> dict[str, Any]:
        return {}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = self.get_form(request.POST)
        result = form.ask(lambda: self.serve(actor_of(request), form))
        if form.errors:
            return self.render_to_response(self.get_context_data(form=form, **kwargs))
        messages.success(request, self.done)
        return redirect(self.done_url(result))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        if "form" not in kwargs:
            kwargs["form"] = self.get_form()
        return super().get_context_data(**{"submit": self.submit, **kwargs})


class ListPage(SingleTableMixin, Page, FilterView):
    """A list: `queryset`, `table_class`, `filterset_class` and `title` are all it takes. It sorts
    by every column, is filtered by its address and is exported as it is shown (`?export=csv`)."""

    table_class: type[BaseTable]
    filterset_class: type[BaseFilter]
    template_name = "components/list_page.html"
    # without counting all rows, so that a page costs the same however long the list is
    paginator_class = LazyPaginator
    # (address, label) of what may be created here, and what that needs
    create: ClassVar[tuple[Any, str, Permission] | None] = None
    file_name = "export"
    strict = False

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = super().get(request, *args, **kwargs)
        if request.GET.get("export") == "csv":
            return self._csv()
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        if self.create and self.may(self.create[2]):
            context["create_url"], context["create_label"] = self.create[:2]
        return context

    def _csv(self) -> HttpResponse:
        """The whole list at once: under ASGI a synchronous stream would be collected anyway."""
        table = self.get_table(**self.get_table_kwargs())
        response = HttpResponse(
            "\ufeff",  # tells spreadsheets that the file is UTF-8
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{self.file_name}.csv"'},
        )
        csv.writer(response).writerows(table.csv_rows())
        return response
