"""What a real server says, with whatever words it uses."""

from uuid import uuid4

import pytest
from django import db

from rodcorp.databases import failure_codes as codes
from rodcorp.databases.failures import Kind, Phase, classify
from tests.databases.live import connection_to_server, needs_server

pytestmark = needs_server

CONNECTING, READING, WRITING, COMMITTING = Phase


@pytest.fixture
def connection(django_db_blocker):
    with connection_to_server(django_db_blocker) as connection:
        yield connection


@pytest.fixture
def table(connection):
    name = f"failures_{uuid4().hex}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {name} (id INT PRIMARY KEY, u NVARCHAR(9) UNIQUE, "
            f"n NVARCHAR(5) NOT NULL DEFAULT '', c INT CHECK (c > 0), "
            f"p INT REFERENCES {name}(id))"
        )
        cursor.execute(f"INSERT INTO {name} (id, u) VALUES (1, 'a')")
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")


def met(connection, sql, phase=WRITING):
    with connection.cursor() as cursor, pytest.raises(db.Error) as caught:
        cursor.execute(sql)
    return classify(caught.value, phase).kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ("(id, u) VALUES (1, 'b')", Kind.DUPLICATE),
        ("(id, u) VALUES (2, 'a')", Kind.DUPLICATE),
        ("(id, p) VALUES (2, 99)", Kind.DATA),
        ("(id, c) VALUES (2, -1)", Kind.DATA),
        ("(id, n) VALUES (2, NULL)", Kind.DATA),
        ("(id, n) VALUES (2, '123456')", Kind.DATA),
    ],
)
def test_a_refused_row_is_its_own_fault(connection, table, values, kind):
    assert met(connection, f"INSERT INTO {table} {values}") is kind


@pytest.mark.parametrize("sql", ["SELECT * FROM no_such_table", "SELCT 1 FRO", "SELECT nope"])
def test_a_mistake_is_a_mistake(connection, sql):
    assert met(connection, sql, READING) is Kind.PROGRAMMING


def test_a_fence_is_a_fence(connection):
    sql = f"THROW {codes.FENCED_NUMBER}, '{codes.FENCED_TEXT}', 1"
    assert met(connection, sql) is Kind.FENCED


def test_a_lock_timeout_is_no_outage(connection, table, django_db_blocker):
    with connection_to_server(django_db_blocker) as other:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET n = 'x'")
        with connection.cursor() as cursor:
            cursor.execute("SET LOCK_TIMEOUT 100")
        found = met(connection, f"UPDATE {table} SET n = 'y'")
        other.rollback()
    assert found is Kind.TRANSIENT


def test_a_connection_somebody_closed_was_lost(connection):
    cursor = connection.cursor()
    connection.connection.close()
    with pytest.raises(Exception, match="closed") as caught:
        cursor.execute("SELECT 1")
    connection.connection = None  # Django would close it again, and fail
    assert classify(caught.value, READING).kind is Kind.UNAVAILABLE


@pytest.mark.parametrize(
    "changes", [{"MSSQL_USER": "nobody", "MSSQL_PASSWORD": "wrong", "MSSQL_PASSWORD_FILE": ""}]
)
def test_a_refused_login_is_configuration(django_db_blocker, changes):
    with (
        connection_to_server(django_db_blocker, **changes) as connection,
        pytest.raises(db.Error) as caught,
    ):
        connection.ensure_connection()
    assert classify(caught.value, CONNECTING).kind is Kind.CONFIGURATION


def test_a_closed_port_is_an_outage(django_db_blocker):
    changes = {"MSSQL_PORT": "1", "MSSQL_CONNECT_TIMEOUT": "1"}
    with (
        connection_to_server(django_db_blocker, **changes) as connection,
        pytest.raises(db.Error) as caught,
    ):
        connection.ensure_connection()
    assert classify(caught.value, CONNECTING).kind is Kind.UNAVAILABLE
