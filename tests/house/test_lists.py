"""Every list of the console sorts by every column, and a plain column of its table has an index
that begins with it: sorting a long list must not read all of it."""

import pytest
from django.urls import URLPattern, get_resolver

from rodcorp.kit.web.views import ListPage


def list_pages():
    found = {}

    def walk(patterns):
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                view = getattr(pattern.callback, "view_class", None)
                if view and issubclass(view, ListPage):
                    found[pattern.name] = view
            else:
                walk(pattern.url_patterns)

    walk(get_resolver().url_patterns)
    return found


PAGES = list_pages()

# Sorted without an index, and why that is right.
WITHOUT_INDEX = {
    "ledger": {"description"},  # as wide as the rest of the row; every award would pay for it
    "pay-cycles": {"starts_at", "ends_at"},  # a few a year
    # the payslips of one cycle are found by it, and sorted then
    "pay-cycle": {"net", "due", "recovered"},
    "pay-cycle-step": {"net", "due", "recovered"},
    "agent-payslips": {"net", "due", "recovered"},  # one agent's, a few a year
    # what could not be brought home is short: it is there to be dealt with
    "conflicts": {"kind", "table_name", "rule", "lost", "operation"},
}


def indexed(model):
    """Columns some index, unique constraint or key of the table begins with."""
    meta = model._meta
    named = [index.fields[0].lstrip("-") for index in meta.indexes]
    named += [getattr(rule, "fields", ())[:1] for rule in meta.constraints]
    flat = {name for entry in named for name in ([entry] if isinstance(entry, str) else entry)}
    return flat | {field.name for field in meta.fields if field.unique or field.db_index}


def test_the_lists_are_found():
    assert {"agents", "discussions", "tasks", "leaderboard", "ledger"} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_every_column_sorts(name):
    table = PAGES[name].table_class([])
    assert [column.name for column in table.columns if not column.orderable] == []


@pytest.mark.parametrize("name", PAGES)
def test_plain_columns_are_sorted_by_an_index(name):
    table = PAGES[name].table_class([])
    model = PAGES[name].table_class._meta.model
    plain = {field.name for field in model._meta.concrete_fields}
    unindexed = []
    for column in table.columns:
        first = str(column.order_by[0]).lstrip("-")
        if first in plain and first not in indexed(model):
            unindexed.append(first)
    assert set(unindexed) == WITHOUT_INDEX.get(name, set())
