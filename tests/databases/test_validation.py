"""A database that was damaged, and what is told of it."""

import sqlite3
import time
from contextlib import closing, contextmanager

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from rodcorp.databases import journal, validation
from rodcorp.databases.catalog.sqltext import default_value, meaning, type_name
from rodcorp.databases.validation import validate

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.sqlite_only("damage that SQLite can be done"),
]

REGISTRY = "GlobalAgentRegistry"


@contextmanager
def registered(alias, settings):
    connections.settings[alias] = settings
    try:
        yield connections[alias]
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


@pytest.fixture
def scratch(django_db_blocker, tmp_path):
    """A migrated file of one's own."""
    settings = {**connections["sqlite"].settings_dict, "NAME": str(tmp_path / "scratch.db")}
    with (
        closing(sqlite3.connect(connections["sqlite"].settings_dict["NAME"])) as migrated,
        closing(sqlite3.connect(settings["NAME"])) as copy,
    ):
        migrated.backup(copy)
    with django_db_blocker.unblock(), registered("scratch", settings) as connection:
        yield connection


def run(connection, *statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def remake(connection, table, old, new):
    """Make a table anew with its statement changed; SQLite can change little in place."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = %s AND type IN ('table', 'index') "
            "AND sql IS NOT NULL ORDER BY type DESC",
            [table],
        )
        create, *indexes = [sql for [sql] in cursor.fetchall()]
    assert old in create
    run(connection, f'DROP TABLE "{table}"', create.replace(old, new), *indexes)


@pytest.mark.parametrize("alias", ["sqlite", "local"])
def test_a_migrated_database_has_no_difference(alias):
    assert validate(alias) == []


def test_it_asks_little_and_answers_at_once():
    begun = time.monotonic()
    with CaptureQueriesContext(connections["sqlite"]) as queries:
        validate("sqlite")
    assert len(queries) == 6
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("table", "old", "new", "about", "column", "expected", "found"),
    [
        (REGISTRY, '"Role" varchar(200) NULL, ', "", "column", "Role", "varchar(200)", "missing"),
        (REGISTRY, "DEFAULT 'active' ", "", "default", "Status", "'active'", "missing"),
        (REGISTRY, "DEFAULT 8888", "DEFAULT 80", "default", "CommunicationPort", "8888", "80"),
        (REGISTRY, "(200)", "(20)", "type", "Role", "varchar(200)", "varchar(20)"),
        (REGISTRY, "(45) NOT NULL", "(45) NULL", "null", "MachineIP", "NOT NULL", "NULL"),
        (REGISTRY, "char(32) DEFAULT (lower(hex(randomblob(16))))", "char(32)",
            "default", "AgentUUID", "(lower(hex(randomblob(16))))", "missing"),
        (REGISTRY, " COLLATE NOCASE NOT NULL, \"ProjectID\"", ' NOT NULL, "ProjectID"',
            "collation", "AgentName", "NOCASE", "none of its own"),
        (REGISTRY, " PRIMARY KEY", "", "primary key", "AgentUUID", "AgentUUID", "missing"),
        (REGISTRY, f'CONSTRAINT "{REGISTRY}_Project_Name" UNIQUE ("ProjectID", "AgentName"), ',
            "", "unique", "", "(ProjectID, AgentName)", "missing"),
        (REGISTRY, ", 'gemini'", "", "check", "",
            "GlobalAgentRegistry_AIModel: \"AIModel\" IN ('claude', 'codex', 'qwen', 'gemini')",
            "\"AIModel\" IN ('claude', 'codex', 'qwen')"),
        ("PayrollMaster",
            f' REFERENCES "{REGISTRY}" ("AgentUUID") DEFERRABLE INITIALLY DEFERRED',
            "", "foreign key", "AgentUUID", "GlobalAgentRegistry.AgentUUID", "missing"),
        ("AgentSkills", ' CHECK ("Level" >= 0)', "", "check", "", '"Level" >= 0', "missing"),
        (REGISTRY, '"Team" ', '"Extra" text NOT NULL, "Team" ', "column", "Extra",
            "NULL or a default, as it is no column of ours", "text NOT NULL"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_as_the_model_says_is_told(
    scratch, table, old, new, about, column, expected, found
):
    remake(scratch, table, old, new)
    [difference] = validate("scratch")
    assert (difference.table, difference.about, difference.column) == (table, about, column)
    assert (difference.expected, difference.found) == (expected, found)
    assert difference.fix


def test_a_missing_table_is_told_with_what_makes_it(scratch):
    run(scratch, 'DROP TABLE "AgentSkillsHistory"')
    [difference] = validate("scratch")
    assert (difference.about, difference.table) == ("table", "AgentSkillsHistory")
    run(scratch, *difference.fix.rstrip(";").split("; "))
    assert validate("scratch") == []


def test_a_missing_index_is_told_with_what_makes_it(scratch):
    run(scratch, 'DROP INDEX "Agents_Team_Name"')
    [difference] = validate("scratch")
    assert (difference.about, difference.expected) == ("index", "(Team, AgentName)")
    run(scratch, difference.fix)
    assert validate("scratch") == []


def test_a_missing_column_is_told_with_what_makes_it(scratch):
    remake(scratch, REGISTRY, '"Specialization" varchar(300) NULL, ', "")
    [difference] = validate("scratch")
    run(scratch, difference.fix)
    assert validate("scratch") == []


def test_a_unique_index_without_its_condition_is_not_the_one(scratch):
    run(
        scratch,
        'DROP INDEX "RodCoins_Reverses"',
        'CREATE UNIQUE INDEX "other" ON "RodCoinsTransactions" ("ReversesUUID")',
    )
    [difference] = validate("scratch")
    assert (difference.about, difference.column) == ("unique", "ReversesUUID")
    assert difference.found == "no condition"
    assert difference.fix.startswith("Drop other, then: CREATE UNIQUE INDEX")


def test_names_and_wording_are_the_databases_own(scratch):
    run(
        scratch,
        'DROP INDEX "Agents_Team_Name"',
        'CREATE INDEX "theirs" ON "GlobalAgentRegistry" ("team", "AGENTNAME" DESC)',
    )
    remake(
        scratch,
        REGISTRY,
        f'CONSTRAINT "{REGISTRY}_AIModel" CHECK ("AIModel" '
        "IN ('claude', 'codex', 'qwen', 'gemini'))",
        "CHECK ([AIModel]='gemini' OR [AIModel]='qwen' OR [AIModel]='codex' OR [AIModel]='claude')",
    )
    assert validate("scratch") == []


def test_what_the_database_has_beyond_the_models_is_its_own(scratch):
    run(
        scratch,
        'CREATE TABLE "Theirs" (a PRIMARY KEY)',
        'ALTER TABLE "GlobalAgentRegistry" ADD COLUMN "Nickname" text',
        """ALTER TABLE "GlobalAgentRegistry" ADD COLUMN "Rank" text NOT NULL DEFAULT 'none'""",
        'CREATE INDEX "Theirs_Role" ON "GlobalAgentRegistry" ("Role")',
    )
    assert validate("scratch") == []


def test_without_a_primary_no_trigger_is_missed(scratch, monkeypatch):
    monkeypatch.setattr(validation, "SQLITE", "scratch")
    assert validate("scratch") == []


def test_the_copys_missing_triggers_are_told(scratch, monkeypatch):
    monkeypatch.setattr(validation, "SQLITE", "scratch")
    monkeypatch.setattr(validation, "has_primary", lambda: True)
    journal.install(scratch)
    assert validate("scratch") == []
    run(scratch, 'DROP TRIGGER "rodcorp_update_GlobalAgentRegistry"')
    [difference] = validate("scratch")
    assert (difference.about, difference.table) == ("trigger", REGISTRY)
    assert (difference.expected, difference.found) == (
        "rodcorp_update_GlobalAgentRegistry",
        "missing",
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("(GETDATE())", "(getdate())"),
        ("(NEWID())", "(newid())"),
        ("'active'", "(N'active')"),
        ("8888", "((8888))"),
        ("0.00", "((0))"),
        ("0", "(CONVERT([bit],(0)))"),
        ("(CAST('0.00' AS NUMERIC))", "0.0"),
        ("CAST(5 AS decimal(3, 2))", "(CONVERT([decimal](3,2),(5.00)))"),
    ],
)
def test_one_default_in_two_wordings_is_one(ours, theirs):
    assert default_value(ours) == default_value(theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("(1)+(2)", "1"), ("'active'", "'Active'"), ("getdate()", "getutcdate()"), ("'a)'", "('a')")],
)
def test_two_defaults_are_two(ours, theirs):
    assert default_value(ours) != default_value(theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("[A] BETWEEN 1 AND 10", "([a]>=(1) AND [a]<=(10))"),
        ("[B] IN ('x', 'y')", "([B]=N'y' OR [B]=N'x')"),
        ('(ISJSON ("B") = 1)', "(isjson([B])=(1))"),
        ("NOT ([A] = [B])", "(NOT [A]=[B])"),
        ("[B] = 'it''s [A]' -- [A]", "([B]='it''s [A]')"),
    ],
)
def test_one_condition_in_two_wordings_is_one(ours, theirs):
    assert meaning(ours, {"a", "b"}) == meaning(theirs, {"a", "b"})


def test_types_have_one_name():
    assert type_name("numeric(3, 2)") == type_name("DECIMAL(3,2)")
    assert type_name("datetime2") == type_name("datetime2(7)") != type_name("datetime2(3)")
