"""Forms of the console: they ask a service, and show its refusal at the field it is about."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from rodcorp.errors import KeyReused, RodCorpError

T = TypeVar("T")


class ServiceForm(forms.Form):
    """The rules are the service's: the form only reads text. What was typed is never lost."""

    # what the service calls a field, where the form calls it otherwise
    service_names: ClassVar[dict[str, str]] = {}

    # one for each form that was opened: sending it twice writes once
    key = forms.CharField(widget=forms.HiddenInput, required=False, initial=lambda: str(uuid4()))

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        dress(self)

    def ask(self, service: Callable[[], T]) -> T | None:
        """What the service answers, or None when it refused and the form now says why."""
        if not self.is_valid():
            return None
        try:
            return service()
        except KeyReused:
            self.add_error(None, "This form was already saved; open a new one to add another.")
        except RodCorpError as error:
            name = self._field_of(error)
            self.add_error(name, self._said(error, name))
        return None

    @property
    def key_given(self) -> str | None:
        return self.cleaned_data["key"] or None

    @property
    def answers(self) -> dict[str, Any]:
        """What was typed, by the names of the fields people see."""
        return {field.name: self.cleaned_data[field.name] for field in self.visible_fields()}

    def _field_of(self, error: RodCorpError) -> str | None:
        """The field a refusal is about, if people see it."""
        name = (error.field or "").partition("[")[0]
        name = self.service_names.get(name, name)
        shown = name in self.fields and not self.fields[name].widget.is_hidden
        return name if shown else None

    def _said(self, error: RodCorpError, name: str | None) -> str:
        """The refusal, which begins with the field's name in code, with the name people see."""
        if name is None or not error.message.startswith(f"{error.field} "):
            return error.message
        return f"{self[name].label}{error.message.removeprefix(error.field or '')}"


class SuggestingInput(forms.TextInput):
    """A text box that offers what is often meant, and takes anything."""

    def __init__(
        self, suggestions: Callable[[], Iterable[str]], attrs: dict[str, Any] | None = None
    ) -> None:
        super().__init__(attrs)
        self.suggestions = suggestions

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        list_id = f"{(attrs or {}).get('id') or name}_list"
        box = super().render(name, value, {**(attrs or {}), "list": list_id}, renderer)
        words = ((word,) for word in self.suggestions())
        options = format_html_join("", '<option value="{}"></option>', words)
        return format_html('{}<datalist id="{}">{}</datalist>', box, list_id, options)


def dress(form: forms.Form) -> None:
    """Give each widget the console's look."""
    for field in form.fields.values():
        field.widget.attrs.setdefault("class", "rc-input")
        field.label_suffix = ""
