"""SQL Server as a change source: what is asked of it, and in which order. Through the real driver,
by the scripted endpoint; what a server makes of it is not seen here."""

import re

import pytest
from django.db import connections

from agents.models import Agent
from rodcorp.databases.sync.rowversions import COLUMN, TOMBSTONES, RowVersions
from rodcorp.databases.sync.rules import rules
from tests.tds.client import MARKS
from tests.tds.driver import register
from tests.tds.endpoint import Endpoint
from tests.tds.orm import registered
from tests.tds.tokens import Result

pytestmark = [*MARKS, pytest.mark.sqlite_only("on the scripted endpoint")]

REGISTRY = Agent._meta.db_table
LOW, CURSOR = 900, 700
ISOLATION = "SET TRANSACTION ISOLATION LEVEL"
AGENT = "c0ffee00-0000-0000-0000-000000000001"


def nothing(sql):
    return Result("SELECT", [f"c{number}" for number in range(60)], [])


@pytest.fixture
def server():
    """It has one change, of the registry, and one tombstone; it has none of what makes them."""
    script = {
        "MIN_ACTIVE_ROWVERSION": Result("SELECT", ["v"], [(LOW,)]),
        f"^{ISOLATION}": Result(),
        "^SELECT '.*WHERE EXISTS": Result("SELECT", ["t"], [(REGISTRY,)]),
        rf"FROM \[{TOMBSTONES}\]": Result("SELECT", ["t", "k", "v"], [(REGISTRY, AGENT, 1_000)]),
        rf"FROM \[{REGISTRY}\]": nothing,
        "INFORMATION_SCHEMA|sys\\.": Result("SELECT", ["name"], []),
    }
    register()
    with Endpoint(script=script) as endpoint:
        yield endpoint


@pytest.fixture
def source(server, django_db_blocker):
    with django_db_blocker.unblock(), registered(server, "mssql"):
        connections["mssql"].ensure_connection()
        server.log.clear()
        yield RowVersions()


def asked(server):
    return [sql for sql in server.log.sql() if "TRANCOUNT" not in sql]


def places(server, *parts):
    """Where in what was asked each of these is first."""
    return [next(n for n, sql in enumerate(asked(server)) if part in sql) for part in parts]


def test_the_lowest_active_version_is_asked_for_before_the_snapshot(server, source):
    source.pull(CURSOR, rules().values())
    low, snapshot, rows = places(
        server, "MIN_ACTIVE_ROWVERSION", f"{ISOLATION} SNAPSHOT", f"FROM [{REGISTRY}]"
    )
    assert low < snapshot < rows


def test_the_next_pull_begins_where_this_ones_transactions_may_still_be(server, source):
    server.script[rf"FROM \[{REGISTRY}\]"] = one_agent
    pulled = source.pull(CURSOR, rules().values())
    assert [version for version, _ in pulled.rows[REGISTRY]] == [950]
    assert pulled.cursor == LOW - 1


def one_agent(sql):
    names = [field.column for field in Agent._meta.concrete_fields]
    values = dict.fromkeys(names, None) | {"AgentUUID": AGENT}
    return Result("SELECT", [*names, "v"], [(*values.values(), 950)])


def test_all_tables_are_read_in_one_snapshot(server, source):
    source.pull(CURSOR, rules().values())
    before, begin, end, after = (
        *places(server, f"{ISOLATION} SNAPSHOT", "WHERE EXISTS"),
        *places(server, f"FROM [{TOMBSTONES}]", f"{ISOLATION} READ COMMITTED"),
    )
    assert before < begin < end < after
    assert [seen.what for seen in server.log.transactions].count("commit") == 1


def test_rows_are_read_from_the_cursor_on_without_an_upper_bound(server, source):
    source.pull(CURSOR, rules().values())
    reads = [sql for sql in asked(server) if f"0x{CURSOR:016X}" in sql]
    assert len(reads) == 3
    for sql in reads:
        assert f"[{COLUMN}] > 0x{CURSOR:016X}" in sql
        assert "<" not in sql
        assert "BETWEEN" not in sql.upper()


def test_tombstones_arrive_with_the_rows(server, source):
    pulled = source.pull(CURSOR, rules().values())
    [(key, version)] = pulled.deleted[REGISTRY]
    assert (str(key), version) == (AGENT, 1_000)


def test_no_hint_skips_what_is_locked(server, source):
    source.pull(CURSOR, rules().values())
    source.read(rules()[REGISTRY], [Agent().pk])
    server.script["COUNT_BIG"] = Result("SELECT", ["t", "n", "v"], [])
    source.sizes(rules().values())
    assert [sql for sql in asked(server) if re.search("READPAST|NOLOCK|UNCOMMITTED", sql)] == []


def test_a_guarded_row_is_written_only_at_its_version(server, source):
    server.script[rf"UPDATE \[{REGISTRY}\]"] = Result("UPDATE", count=0)
    assert source.guarded(rules()[REGISTRY], Agent().pk, 0x1F).update(team="Core") == 0
    [written] = [sql for sql in asked(server) if "UPDATE" in sql]
    assert f"[{COLUMN}] = 0x000000000000001F" in written


# --- what makes versions and tombstones -----------------------------------------------------------
def test_every_replicated_table_gets_versions_and_a_trigger(source):
    wanted = source.missing()
    for table in rules():
        assert f"ALTER TABLE [{table}] ADD [{COLUMN}] ROWVERSION NOT NULL" in wanted
        assert f"CREATE INDEX [{table}_Version] ON [{table}] ([{COLUMN}])" in wanted
        [trigger] = [sql for sql in wanted if f"ON [{table}] AFTER DELETE" in sql]
        assert f"INSERT INTO [{TOMBSTONES}]" in trigger


def test_a_tombstone_has_a_version_of_its_own(source):
    [table] = [sql for sql in source.missing() if f"CREATE TABLE [{TOMBSTONES}]" in sql]
    assert f"[{COLUMN}] ROWVERSION NOT NULL" in table
