"""Forms whose rules are those of a service."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from django import forms

from rodcorp.errors import KeyReused, RodCorpError

if TYPE_CHECKING:
    # generic in the stubs only
    _ModelForm = forms.ModelForm[Any]
else:
    _ModelForm = forms.ModelForm


class BaseForm(_ModelForm):
    """A form whose rules are those of a service. The row changes there or not at all."""

    # what the service calls a field, where the form calls it otherwise
    service_names: ClassVar[dict[str, str]] = {}

    # one for each form that was opened: sending it twice writes once
    key = forms.CharField(widget=forms.HiddenInput, required=False, initial=lambda: str(uuid4()))

    # set by the admin: runs the service for this row and these values
    serve: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            # gone already where the table has a column of that name, which is only shown
            self.fields.pop("key", None)

    def _post_clean(self) -> None:
        """Instead of Django's, which would put the values on the row before the service saw it."""
        if self.errors:
            return
        try:
            self.serve(dry_run=True)
        except KeyReused:
            self.add_error(None, "This form was already saved; open a new one to add another.")
        except RodCorpError as error:
            self.add_error(self._field_of(error), error.message)

    def save(self, commit: bool = True) -> Any:
        return self.serve()

    def key_given(self) -> str | None:
        return self.cleaned_data.get("key") or None

    def values(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}

    def _field_of(self, error: RodCorpError) -> str | None:
        name = (error.field or "").partition("[")[0]
        name = self.service_names.get(name, name)
        return name if name in self.fields and name != "key" else None
