"""Tables of the console's lists. A department declares columns; the rest is here."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import django_tables2 as tables
from django.utils.html import format_html
from django_tables2.data import TableQuerysetData

from rodcorp.kit.cells import safe_cell
from rodcorp.kit.templatetags.console import badge, coins, moment


class BaseTable(tables.Table):
    """Every column sorts. `tie_break` completes each order, so that paging never repeats a row:
    equal rows are told apart by what people read, not by UUIDs, which databases sort differently.
    """

    tie_break: tuple[str, ...] = ()

    class Meta:
        template_name = "components/table.html"
        per_page = 50
        empty_text = "Nothing here yet."
        default = "–"
        attrs = {"class": "rc-table"}

    @property
    def order_by(self) -> Any:
        return self._order_by

    @order_by.setter
    def order_by(self, value: Any) -> None:
        """Called for the order of the data and again for the one of the address."""
        tables.Table.order_by.fset(self, value)
        if isinstance(self.data, TableQuerysetData) and self._order_by:
            self.data.data = self._with_tie_break(self.data.data)

    def _with_tie_break(self, rows: Any) -> Any:
        # SQL Server refuses an order that names a column twice
        names: dict[str, Any] = {}
        for name in (*rows.query.order_by, *self.tie_break):
            names.setdefault(str(name).lstrip("-"), name)
        return rows.order_by(*names.values())

    def csv_rows(self) -> Iterator[list[str]]:
        """What is shown, all pages of it, as text."""
        for row in self.as_values():
            yield [safe_cell(value) for value in row]


class BadgeColumn(tables.Column):
    """A word out of few, with a colour that repeats what it says."""

    def render(self, value: Any) -> str:
        return badge(value)

    def value(self, value: Any) -> str:
        """The word as it is shown."""
        return str(value).lower().replace("_", " ")


class MomentColumn(tables.Column):
    """A time in UTC."""

    def render(self, value: datetime) -> str:
        return moment(value)

    def value(self, value: datetime | None) -> str:
        return value.isoformat() if value else ""


class CoinsColumn(tables.Column):
    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("attrs", {"td": {"class": "rc-number"}, "th": {"class": "rc-number"}})
        super().__init__(**kwargs)

    def render(self, value: int) -> str:
        return coins(value)

    def value(self, value: int) -> int:
        return value


class NumberColumn(CoinsColumn):
    def render(self, value: Any) -> str:
        return format_html("{}", value)
