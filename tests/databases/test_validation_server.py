"""A server's database that was damaged, and what is told of it."""

import time

import pytest
from django.test.utils import CaptureQueriesContext

from rodcorp.databases.validation import validate
from tests.databases.live import needs_server, settings_of_server
from tests.databases.test_validation import REGISTRY, registered, run

pytestmark = needs_server


@pytest.fixture
def server(django_db_blocker):
    """Under an alias of its own. Whatever a test changes is taken back: a server's DDL is part of
    a transaction."""
    with django_db_blocker.unblock(), registered("server", settings_of_server()) as connection:
        connection.set_autocommit(False)
        yield connection
        connection.rollback()


def differences_of(server):
    """Without the conditions of indexes, if this server's catalogue does not tell them."""
    run(server, "CREATE TABLE told (a INT)", "CREATE INDEX told ON told (a) WHERE a IS NOT NULL")
    with server.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM sys.indexes WHERE filter_definition IS NOT NULL")
        [tells] = cursor.fetchone()
    run(server, "DROP TABLE told")
    return [found for found in validate("server") if tells or found.found != "no condition"]


def default_of(server, column):
    """The name the server chose for it."""
    with server.cursor() as cursor:
        cursor.execute(
            "SELECT k.name FROM sys.default_constraints k JOIN sys.columns c "
            "ON c.object_id = k.parent_object_id AND c.column_id = k.parent_column_id "
            "WHERE k.parent_object_id = OBJECT_ID(%s) AND c.name = %s",
            [REGISTRY, column],
        )
        [name] = cursor.fetchone()
    return name


def test_a_migrated_database_has_no_difference(server):
    assert differences_of(server) == []


@pytest.mark.parametrize(
    ("change", "about", "column"),
    [
        ("ALTER TABLE {} ALTER COLUMN Role nvarchar(300) NULL", "type", "Role"),
        ("ALTER TABLE {} ALTER COLUMN MachineIP nvarchar(45) NULL", "null", "MachineIP"),
        ("ALTER TABLE {} DROP COLUMN Specialization", "column", "Specialization"),
        ("ALTER TABLE {} DROP CONSTRAINT GlobalAgentRegistry_Project_Name", "unique", ""),
        ("ALTER TABLE {} DROP CONSTRAINT GlobalAgentRegistry_AIModel", "check", ""),
        ("DROP INDEX Agents_LastSeen ON {}", "index", "LastSeen"),
    ],
)
def test_damage_is_told_and_its_fix_mends_it(server, change, about, column):
    run(server, change.format(REGISTRY))
    [difference] = differences_of(server)
    assert (difference.table, difference.about, difference.column) == (REGISTRY, about, column)
    run(server, difference.fix)
    assert differences_of(server) == []


def test_a_dropped_default_is_told_and_its_fix_mends_it(server):
    name = default_of(server, "Status")
    run(server, f"ALTER TABLE {REGISTRY} DROP CONSTRAINT [{name}]")
    [difference] = differences_of(server)
    assert (difference.about, difference.column) == ("default", "Status")
    assert (difference.expected, difference.found) == ("'active'", "missing")
    run(server, difference.fix)
    assert differences_of(server) == []


def test_a_dropped_foreign_key_is_told_and_its_fix_mends_it(server):
    with server.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(%s)",
            ["PayrollMaster"],
        )
        [name] = cursor.fetchone()
    run(server, f"ALTER TABLE PayrollMaster DROP CONSTRAINT [{name}]")
    [difference] = differences_of(server)
    assert (difference.about, difference.column) == ("foreign key", "AgentUUID")
    run(server, difference.fix)
    assert differences_of(server) == []


def test_a_column_that_would_refuse_our_rows_is_told(server):
    # a table with rows takes such a column only with a default
    run(server, f"ALTER TABLE {REGISTRY} ADD extra INT NOT NULL DEFAULT 0")
    run(server, f"ALTER TABLE {REGISTRY} DROP CONSTRAINT [{default_of(server, 'extra')}]")
    [difference] = differences_of(server)
    assert (difference.column, difference.found) == ("extra", "int NOT NULL")


def test_a_dropped_table_is_told_and_its_fix_mends_it(server):
    run(server, "DROP TABLE AgentSkillsHistory")
    [difference] = differences_of(server)
    assert (difference.about, difference.table) == ("table", "AgentSkillsHistory")
    run(server, difference.fix)
    assert differences_of(server) == []


def test_it_asks_little_and_answers_soon(server):
    begun = time.monotonic()
    with CaptureQueriesContext(server) as queries:
        validate("server")
    assert len(queries) == 4
    assert time.monotonic() - begun < 2
