import sqlite3

import pytest
from django import db

from rodcorp.databases import failure_codes as codes
from rodcorp.databases.failures import Kind, Phase, classify

CONNECTING, READING, WRITING, COMMITTING = Phase


@pytest.fixture
def connection(tmp_path):
    connection = sqlite3.connect(tmp_path / "t.db", timeout=0, isolation_level=None)
    connection.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n TEXT NOT NULL)")
    connection.execute("CREATE TABLE c (id TEXT PRIMARY KEY, p REFERENCES p, CHECK (p > 0))")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("INSERT INTO p VALUES (1, 'a', '')")
    yield connection
    connection.close()


def met(connection, statement):
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute(statement)
    raw = classify(caught.value, WRITING)
    error = db.OperationalError(*caught.value.args)
    error.__cause__ = caught.value
    assert classify(error, WRITING) == raw
    return raw.kind


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("INSERT INTO p VALUES (1, 'b', '')", Kind.DUPLICATE),
        ("INSERT INTO p VALUES (2, 'a', '')", Kind.DUPLICATE),
        ("INSERT INTO p VALUES (2, 'b', NULL)", Kind.DATA),
        ("INSERT INTO c VALUES ('x', 9)", Kind.DATA),
        ("INSERT INTO c VALUES ('x', 0)", Kind.DATA),
        ("INSERT INTO p VALUES ('text', 'b', '')", Kind.DATA),
        ("SELECT nope FROM p", Kind.PROGRAMMING),
        ("SELECT * FROM nope", Kind.PROGRAMMING),
        ("SELCT", Kind.PROGRAMMING),
    ],
)
def test_a_refused_row_is_its_own_fault(connection, statement, kind):
    assert met(connection, statement) == kind


def test_a_locked_file_is_tried_again(connection, tmp_path):
    other = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert met(connection, "BEGIN IMMEDIATE") is Kind.TRANSIENT
    other.close()


def test_a_snapshot_that_is_too_old_is_tried_again(connection, tmp_path):
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM p").fetchall()
    other = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
    other.execute("UPDATE p SET n = 'x'")
    assert met(connection, "UPDATE p SET n = 'y'") is Kind.TRANSIENT
    connection.execute("ROLLBACK")
    other.close()


def test_a_full_disk_is_the_hosts(connection):
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    fill = "INSERT INTO p VALUES (3, 'c', zeroblob(100000))"
    assert met(connection, fill) is Kind.STORAGE


def test_a_file_that_is_none_is_the_hosts(tmp_path):
    (tmp_path / "bad.db").write_bytes(b"not a database" * 100)
    connection = sqlite3.connect(tmp_path / "bad.db")
    assert met(connection, "SELECT * FROM p") is Kind.STORAGE
    connection.close()


def test_a_spoilt_file_is_the_hosts(connection, tmp_path):
    connection.close()
    file = tmp_path / "t.db"
    data = bytearray(file.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    file.write_bytes(data)
    again = sqlite3.connect(file)
    assert met(again, "SELECT * FROM p") is Kind.STORAGE
    again.close()


def test_a_file_that_may_not_be_written_is_the_hosts(connection, tmp_path):
    readonly = sqlite3.connect(f"file:{tmp_path / 't.db'}?mode=ro", uri=True)
    assert met(readonly, "DELETE FROM p") is Kind.STORAGE
    readonly.close()
    with pytest.raises(sqlite3.Error) as caught:
        sqlite3.connect(tmp_path / "no" / "folder.db")
    assert classify(caught.value, CONNECTING).kind is Kind.STORAGE


def test_a_closed_fence_is_told_from_other_triggers(connection):
    for name, text in (("a", codes.FENCED_TEXT), ("b", "no unit of work")):
        connection.execute(
            f"CREATE TEMP TRIGGER {name} BEFORE UPDATE ON p WHEN new.n = '{name}' "
            f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
        )
    assert met(connection, "UPDATE p SET n = 'a'") is Kind.FENCED
    assert met(connection, "UPDATE p SET n = 'b'") is Kind.DATA


def test_a_closed_connection_is_a_mistake(tmp_path):
    connection = sqlite3.connect(tmp_path / "t.db")
    connection.close()
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute("SELECT 1")
    assert classify(caught.value, READING).kind is Kind.PROGRAMMING


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("database is locked", Kind.TRANSIENT),
        ("database table is locked: p", Kind.TRANSIENT),
        ("disk I/O error", Kind.STORAGE),
        ("database or disk is full", Kind.STORAGE),
        ("database disk image is malformed", Kind.STORAGE),
        ("attempt to write a readonly database", Kind.STORAGE),
        ("UNIQUE constraint failed: p.u", Kind.DUPLICATE),
        (codes.FENCED_TEXT, Kind.FENCED),
    ],
)
def test_djangos_copy_of_the_error_is_enough(text, kind):
    assert classify(db.OperationalError(text), WRITING).kind is kind
