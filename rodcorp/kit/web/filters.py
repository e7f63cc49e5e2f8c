"""Filters of the console's lists."""

from typing import Any

import django_filters
from django import forms

from rodcorp.kit.web.forms import dress


class BaseFilter(django_filters.FilterSet):
    """A filter form in the look of the console, submitted by GET, so that a filtered list is a
    link."""

    @property
    def form(self) -> forms.Form:
        form: forms.Form = super().form
        dress(form)
        return form

    def filter_queryset(self, queryset: Any) -> Any:
        """A condition that cannot be read fits nothing; without it the list would look whole."""
        return queryset.none() if self.form.errors else super().filter_queryset(queryset)

    @property
    def is_narrowing(self) -> bool:
        """Whether anything is filtered out."""
        return any(self.form[name].value() for name in self.filters)


def choices(field: Any) -> list[tuple[str, str]]:
    """A model field's choices, as words people read."""
    return [(value, str(label).replace("_", " ").lower()) for value, label in field.choices]
