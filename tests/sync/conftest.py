import pytest
from django.db import connections


@pytest.fixture
def source(company):
    """What numbers the changes of the file that stands for the primary."""
    from tests.sides.source import FileVersions

    source = FileVersions()
    source.install()
    return source


@pytest.fixture
def feed(source):
    """A copy that is filled, and can be filled again."""
    from rodcorp.databases.sync.feed import Feed

    with connections["sqlite"].cursor() as cursor:
        cursor.execute("UPDATE rodcorp_copy SET complete_at = NULL, cursor = 0")
    feed = Feed(source)
    feed.pull()
    return feed


@pytest.fixture
def same(company):
    """Compares the two sides, table by table, over values as Django reads them."""
    from rodcorp.databases.sync.images import row_of
    from rodcorp.databases.sync.rules import rules

    def compare():
        for table, rule in rules().items():
            there, here = (
                {row.pk: row_of(row) for row in rule.model._base_manager.using(alias)}
                for alias in ("mssql", "sqlite")
            )
            assert here == there, table

    return compare
