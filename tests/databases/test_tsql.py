"""What our migrations would run on SQL Server, collected from mssql-django without a server."""

import os
import re

import pytest
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from rodcorp.databases.router import REPLICATED_APPS

# `GlobalAgentRegistry` as documented: column -> (type, NOT NULL, default)
DOCUMENTED = {
    "AgentUUID": ("UNIQUEIDENTIFIER", True, "NEWID()"),
    "AgentName": ("NVARCHAR(100)", True, None),
    "ProjectID": ("NVARCHAR(100)", True, None),
    "MachineHostname": ("NVARCHAR(100)", True, None),
    "MachineIP": ("NVARCHAR(45)", True, None),
    "Team": ("NVARCHAR(100)", False, None),
    "Role": ("NVARCHAR(200)", False, None),
    "AIModel": ("NVARCHAR(50)", False, None),
    "Personality17Disc": ("NVARCHAR(50)", False, None),
    "Specialization": ("NVARCHAR(300)", False, None),
    "SeniorityLevel": ("NVARCHAR(50)", False, None),
    "Status": ("NVARCHAR(50)", False, "'active'"),
    "FirstRegistered": ("DATETIME2", False, "GETDATE()"),
    "LastSeen": ("DATETIME2", False, "GETDATE()"),
    "CommunicationPort": ("INT", False, "8888"),
    "PerformanceRating": ("DECIMAL(3,2)", False, "0.00"),
    "TotalRodCoinsEarned": ("BIGINT", False, "0"),
    "CurrentPayCycle": ("INT", False, "1"),
}

TABLES = (
    "GlobalAgentRegistry",
    "AgentDiscussions",
    "PayrollMaster",
    "RodCoinsTransactions",
    "AgentPerformanceHistory",
    "AgentTodoTracking",
)


def _driver_is_missing():
    try:
        import pyodbc  # noqa: F401
    except ImportError as error:
        if os.environ.get("RODCORP_REQUIRE_ALL") == "1":
            raise
        return str(error)
    return ""


ALIAS = "never_connected"
MISSING = _driver_is_missing()
pytestmark = [
    pytest.mark.tsql_driver,
    pytest.mark.skipif(bool(MISSING), reason=f"NOT TESTED: T-SQL of the migrations ({MISSING})"),
]


@pytest.fixture(scope="module")
def statements():
    """Every statement that `migrate` would run on an empty SQL Server database."""
    connections.settings[ALIAS] = {
        **connections.settings["sqlite"],
        "ENGINE": "mssql",
        "NAME": ALIAS,
        "OPTIONS": {},
    }
    connection = connections[ALIAS]
    loader = MigrationLoader(None)
    state = loader.project_state([])
    collected = []
    for node in loader.graph._generate_plan(loader.graph.leaf_nodes(), at_end=True):
        migration = loader.get_migration(*node)
        if migration.app_label not in REPLICATED_APPS:
            migration.mutate_state(state, preserve=False)
            continue
        with connection.schema_editor(collect_sql=True, atomic=False) as editor:
            migration.apply(state, editor, collect_sql=True)
        collected += [line for line in editor.collected_sql if not line.startswith("--")]
    yield collected
    del connections[ALIAS]
    del connections.settings[ALIAS]


def created(statements, table):
    """{column: definition} of a CREATE TABLE."""
    [create] = [s for s in statements if s.startswith(f"CREATE TABLE [{table}] (")]
    body = create[create.index("(") + 1 :]
    found = re.findall(r"\[(\w+)\] ((?:[^,(]|\((?:[^()]|\([^()]*\))*\))+)", body)
    return {name: " ".join(definition.split()) for name, definition in found}


def read(definition):
    """(type, NOT NULL, default) of a column's definition."""
    kind = re.match(r"\w+(?: ?\([^)]*\))?", definition)[0].upper().replace(" ", "")
    kind = kind.replace("NUMERIC", "DECIMAL")  # two names of one type
    default = re.search(r"DEFAULT (\((?:[^()]|\([^()]*\))*\)|'[^']*'|\S+)", definition)
    value = default and default[1]
    if value and value.startswith("(") and value.endswith(")"):
        value = value[1:-1]
    if value and (
        cast := re.fullmatch(r"CAST\('?([^' ]+)'? AS \w+(?:\([\d, ]+\))?\)", value, re.I)
    ):
        value = cast[1]
    return kind, "NOT NULL" in definition, value


def test_the_six_documented_tables_have_their_documented_names(statements):
    for table in TABLES:
        assert created(statements, table)


@pytest.mark.parametrize("column", DOCUMENTED)
def test_the_registry_is_the_documented_one(statements, column):
    definition = created(statements, "GlobalAgentRegistry")[column]
    assert read(definition) == DOCUMENTED[column]


def test_the_registry_checks_the_model(statements):
    checks = " ".join(s for s in statements if "GlobalAgentRegistry" in s)
    assert re.search(r"\[AIModel\] IN \(N?'claude', N?'codex', N?'qwen', N?'gemini'\)", checks)


def test_columns_we_added_to_the_registry_do_not_get_in_the_way_of_foreign_writers(statements):
    columns = created(statements, "GlobalAgentRegistry")
    for name in set(columns) - set(DOCUMENTED) - {"GlobalAgentRegistry_Project_Name"}:
        _, required, default = read(columns[name])
        assert not required or default is not None, f"{name} would refuse a documented INSERT"


def test_no_column_is_a_datetimeoffset_or_a_char_32(statements):
    text = "\n".join(statements)
    assert "datetimeoffset" not in text
    assert "char(32)" not in text.replace("nvarchar(32)", "")


def test_keys_compare_by_a_pinned_collation(statements):
    columns = created(statements, "GlobalAgentRegistry")
    for name in ("AgentName", "ProjectID"):
        assert "COLLATE Latin1_General_100_CI_AS_SC" in columns[name]
