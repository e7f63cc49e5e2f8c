"""Our backend, through Microsoft's real driver and the scripted endpoint."""

import gc
import threading
import time
from dataclasses import dataclass, field

import pytest
from django.db import (
    Error,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    connections,
    transaction,
)
from django.db.backends.signals import connection_created
from django.db.transaction import TransactionManagementError

from rodcorp.databases import pool
from rodcorp.databases.failures import Check, Kind, Phase, classify
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.probe import _connection
from rodcorp.databases.sessions import drop
from rodcorp.errors import Busy
from tests.databases.test_pool import forks, in_child
from tests.databases.test_reach import end, greet, hang, listening
from tests.tds.client import MARKS, becomes_true
from tests.tds.driver import register
from tests.tds.endpoint import Endpoint
from tests.tds.orm import registered
from tests.tds.tls import Authority, Tls
from tests.tds.tokens import Result

pytestmark = [*MARKS, pytest.mark.sqlite_only("on the scripted endpoint")]

LOGIN_S = 1
ONCE = "SET XACT_ABORT ON; SET LOCK_TIMEOUT 500; SET DATEFORMAT ymd; SET DATEFIRST 7;"
KEEPING = "SET XACT_ABORT OFF; INSERT INTO unit VALUES (%s)"


@pytest.fixture
def server():
    register()
    with Endpoint() as endpoint:
        endpoint.store.run("CREATE TABLE unit (id int NOT NULL PRIMARY KEY)")
        yield endpoint


@pytest.fixture
def alias(server, django_db_blocker):
    with django_db_blocker.unblock(), registered(server, MSSQL, most=3) as connection:
        yield connection


def atomic():
    return transaction.atomic(MSSQL)  # noqa: TID251  units stand on it


def run(sql, *parameters):
    with connections[MSSQL].cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else None


def insert(number):
    run("INSERT INTO unit VALUES (%s)", number)


def held(server):
    return [row[0] for row in server.store.run("SELECT id FROM unit ORDER BY id")]


def in_thread(work):
    """What `work` returns or raises in a thread of its own, which closes nothing."""
    found = []

    def catch():
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=catch)
    thread.start()
    thread.join()
    return found[0]


def closing(work):
    """As a request does: its thread's connection is closed at the end."""

    def request():
        try:
            return work()
        finally:
            connections[MSSQL].close()

    return in_thread(request)


# --- leasing --------------------------------------------------------------------------------------
def test_one_connection_serves_one_thread_after_another(server, alias):
    for _ in range(5):
        assert closing(lambda: run("SELECT 1")) == [(1,)]
    assert len(server.log.logins) == 1
    assert pool.figures() == pool.Figures(idle=1, limit=3)


def test_a_session_is_set_up_once_and_leased_again_without_a_word(server, alias):
    closing(lambda: run("SELECT 1"))
    assert server.log.sql().count(ONCE) == 1
    server.log.clear()
    closing(lambda: connections[MSSQL].ensure_connection())
    assert server.log.requests == []
    closing(lambda: run("SELECT 2"))
    assert server.log.sql() == ["SELECT 2"]


def test_whoever_waits_for_a_connection_hears_of_each_lease(server, alias):
    heard = []

    def hear(connection, **kwargs):
        heard.append(connection.alias)

    connection_created.connect(hear)
    try:
        closing(lambda: run("SELECT 1"))
        closing(lambda: run("SELECT 1"))
    finally:
        connection_created.disconnect(hear)
    assert heard == [MSSQL, MSSQL]


def test_a_transaction_that_was_left_open_ends_with_its_lease(server, alias):
    def leave_open():
        connections[MSSQL].set_autocommit(False)
        insert(1)

    closing(leave_open)
    assert closing(lambda: run("SELECT @@TRANCOUNT")) == [(0,)]
    assert pool.figures() == pool.Figures(idle=1, limit=3)
    assert len(server.log.logins) == 1
    assert held(server) == []


def test_a_connection_closed_inside_a_block_is_given_to_nobody(server, alias):
    def close_inside():
        with atomic():
            insert(1)
            connections[MSSQL].close()

    closing(close_inside)
    assert pool.figures() == pool.Figures(limit=3, drops=1)
    assert held(server) == []


@pytest.mark.parametrize(
    "sql",
    ["SET LOCK_TIMEOUT 7", "BEGIN TRANSACTION", "SET TRANSACTION ISOLATION LEVEL SNAPSHOT"],
)
def test_a_session_somebody_changed_is_given_to_nobody(server, alias, sql):
    closing(lambda: run(sql))
    assert pool.figures() == pool.Figures(limit=3, drops=1)


def test_a_cursor_that_was_left_open_does_not_block_the_next_one(server, alias):
    server.script["SELECT many"] = Result("SELECT", ["n"], [(n,) for n in range(20_000)])
    left = []

    def leave_open():
        left.append(connections[MSSQL].cursor())
        left[0].execute("SELECT many")
        left[0].fetchone()

    closing(leave_open)
    assert closing(lambda: run("SELECT 1")) == [(1,)]
    assert pool.figures().idle == 1


def test_a_thread_that_ends_without_closing_gives_back(server, alias):
    in_thread(lambda: run("SELECT 1"))
    gc.collect()
    closing(lambda: run("SELECT 1"))
    assert len(server.log.logins) == 1
    assert pool.figures() == pool.Figures(idle=1, limit=3)


def test_more_than_the_limit_are_refused(server, alias):
    others = [connections[MSSQL].copy() for _ in range(3)]
    for each in others:
        each.ensure_connection()
    begun = time.monotonic()
    refusal = in_thread(lambda: run("SELECT 1"))
    assert isinstance(refusal, Busy)
    assert time.monotonic() - begun < LOGIN_S + 1
    for each in others:
        each.close()
    assert pool.figures() == pool.Figures(idle=3, limit=3, waits=1, refusals=1)


def test_a_probe_has_a_connection_of_its_own(server, alias):
    others = [connections[MSSQL].copy() for _ in range(3)]
    for each in others:
        each.ensure_connection()
    probe = _connection()
    with probe.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    assert pool.figures().in_use == 3
    probe.close()
    assert pool.figures() == pool.Figures(in_use=3, limit=3)
    for each in others:
        each.close()


@forks
def test_a_child_leaves_its_parents_connections_alone(server, alias):
    insert(1)
    closing(lambda: run("SELECT 1"))
    begun = len(server.log.requests)

    def work():
        connections[MSSQL].close()
        connections[MSSQL].connection = None
        gc.collect()
        return connections[MSSQL].lease, pool.figures()

    answer = in_child(work)
    assert answer == str((None, pool.Figures()))
    assert len(server.log.requests) == begun
    insert(2)
    assert closing(lambda: run("SELECT 1")) == [(1,)]
    assert held(server) == [1, 2]
    assert len(server.log.logins) == 2


# --- broken connections ---------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_link_that_broke_is_given_to_nobody_and_takes_the_idle_ones_with_it(server, alias, how):
    other = connections[MSSQL].copy()
    other.ensure_connection()
    run("SELECT 1")
    other.close()
    assert pool.figures() == pool.Figures(in_use=1, idle=1, limit=3)
    server.kill_connections(how)
    with pytest.raises(OperationalError, match="08S01"):
        run("SELECT 1")
    assert pool.figures() == pool.Figures(limit=3, drops=2)
    assert run("SELECT 1") == [(1,)]


def test_the_error_of_a_broken_link_is_not_hidden_by_closing_the_cursor(server, alias):
    insert(1)
    with server.fail("execute", "rst"), pytest.raises(OperationalError) as caught:
        run("SELECT id FROM unit")
    assert classify(caught.value, Phase.READING).kind is Kind.UNAVAILABLE
    assert caught.value.__context__ is caught.value.__cause__


def test_a_lost_commit_is_reported_once_and_opens_nothing(server, alias):
    insert(1)
    logins = len(server.log.logins)
    with server.fail("commit_after", "rst"), pytest.raises(OperationalError) as caught, atomic():
        insert(2)
    assert classify(caught.value, Phase.COMMITTING).kind is Kind.OUTCOME_UNKNOWN
    assert len(server.log.logins) == logins
    assert run("SELECT COUNT(*) FROM unit") == [(2,)]


def test_one_that_timed_out_is_not_given_back(server, alias):
    with server.fail("execute", "hang", matching="SELECT 1", seconds=1.5), pytest.raises(Error):
        run("SELECT 1")
    connections[MSSQL].close()
    assert pool.figures() == pool.Figures(limit=3, drops=1)


def test_one_that_only_met_a_mistake_is_given_back(server, alias):
    with pytest.raises(ProgrammingError):
        run("SELECT nothing FROM nowhere")
    connections[MSSQL].close()
    assert pool.figures() == pool.Figures(idle=1, limit=3)


def test_dropping_throws_away_the_idle_ones_too_and_the_next_query_reconnects(server, alias):
    closing(lambda: run("SELECT 1"))
    other = connections[MSSQL].copy()
    other.ensure_connection()
    run("SELECT 1")
    other.close()
    drop(MSSQL)
    assert pool.figures() == pool.Figures(limit=3, drops=2)
    assert run("SELECT 1") == [(1,)]
    assert len(server.log.logins) == 3


def test_dropping_forgets_the_transaction(server, alias):
    ran, connection = [], connections[MSSQL]

    @atomic()
    def lose():
        connection.on_commit(lambda: ran.append(1))
        insert(1)

    with server.fail("execute", "rst", matching="INSERT"), pytest.raises(OperationalError):
        lose()
    drop(MSSQL)
    assert (connection.in_atomic_block, connection.run_on_commit) == (False, [])
    with atomic():
        insert(2)
    assert held(server) == [2]
    assert ran == []


def test_dropping_works_where_the_primary_is_a_file(tmp_path, django_db_blocker, monkeypatch):
    file = {**connections.settings["sqlite"], "NAME": str(tmp_path / "primary.db")}
    monkeypatch.setitem(connections.settings, MSSQL, file)
    with django_db_blocker.unblock():
        assert run("SELECT 1") == [(1,)]
        drop(MSSQL)
        assert connections[MSSQL].connection is None
        drop(MSSQL)
        assert run("SELECT 2") == [(2,)]
        connections[MSSQL].close()
        del connections[MSSQL]


# --- opening --------------------------------------------------------------------------------------
def refused(work, kind=Kind.UNAVAILABLE):
    """How long it took to be told."""
    begun = time.monotonic()
    with pytest.raises(Error) as caught:
        work()
    took = time.monotonic() - begun
    failure = classify(caught.value, Phase.WRITING)
    assert (failure.kind, failure.check) == (kind, Check.NONE)
    assert pool.figures().in_use == 0
    return took


@pytest.mark.parametrize("how", ["refuse", "drop", "fin", "hang"])
def test_a_server_that_is_not_there_is_found_out_at_once(server, alias, how):
    with server.fail("connect", how):
        assert refused(lambda: run("SELECT 1")) < 0.8


def test_a_server_that_is_frozen_is_found_out_at_once(server, alias):
    server.freeze()
    assert refused(lambda: run("SELECT 1")) < 0.8
    server.thaw()


@pytest.mark.parametrize(
    ("behave", "kind"),
    [(end, Kind.UNAVAILABLE), (hang, Kind.UNAVAILABLE), (greet, Kind.CONFIGURATION)],
)
def test_what_answers_at_the_address_decides_what_it_is(alias, monkeypatch, behave, kind):
    with listening(behave) as port:
        monkeypatch.setitem(alias.settings_dict, "PORT", str(port))
        assert refused(lambda: run("SELECT 1"), kind) < 1.2


def test_a_server_that_hangs_in_the_login_is_given_up(server, alias):
    with server.fail("login", "hang"):
        assert refused(lambda: run("SELECT 1")) < LOGIN_S + 1.6
    assert run("SELECT 1") == [(1,)]


def test_a_server_that_hangs_after_the_login_is_given_up(server, alias):
    with server.fail("execute", "hang", matching="XACT_ABORT"):
        assert refused(lambda: run("SELECT 1")) < LOGIN_S + 1.6
    assert run("SELECT 1") == [(1,)]


@dataclass(frozen=True)
class SilentTls(Tls):
    """Says that it encrypts, and then says nothing."""

    released: threading.Event = field(default_factory=threading.Event)

    def context(self):
        self.released.wait(30)
        return super().context()


def test_a_server_that_hangs_in_the_handshake_is_given_up(tmp_path, django_db_blocker):
    register()
    made = Authority(tmp_path).self_signed("localhost")
    tls = SilentTls(made.certificate, made.key)
    with (
        Endpoint(tls=tls) as endpoint,
        django_db_blocker.unblock(),
        registered(endpoint, MSSQL, TrustServerCertificate="yes"),
    ):
        assert refused(lambda: run("SELECT 1")) < LOGIN_S + 1.6
        tls.released.set()


def test_a_connection_that_comes_too_late_is_closed(server, django_db_blocker):
    server.fail("execute", "hang", matching="XACT_ABORT", seconds=LOGIN_S + 1.4)
    with django_db_blocker.unblock(), registered(server, MSSQL, query_s=10):
        assert refused(lambda: run("SELECT 1")) < LOGIN_S + 1.3
        assert server.open_connections == 1
        assert becomes_true(lambda: server.open_connections == 0)


# --- transactions that an error has ended ---------------------------------------------------------
def test_an_error_that_was_caught_leaves_nothing_to_commit(server, alias):
    ran = []
    with atomic():
        connections[MSSQL].on_commit(lambda: ran.append(1))
        insert(1)
        with pytest.raises(IntegrityError), atomic():
            insert(1)
        with pytest.raises(TransactionManagementError) as caught:
            insert(2)
    assert classify(caught.value, Phase.WRITING).kind is Kind.DUPLICATE
    assert held(server) == []
    assert ran == []
    insert(3)
    assert held(server) == [3]


def test_an_error_caught_in_the_outermost_block_leaves_nothing_to_commit(server, alias):
    with atomic():
        insert(1)
        with pytest.raises(IntegrityError):
            insert(1)
        with pytest.raises(TransactionManagementError):
            insert(2)
    assert held(server) == []


def test_no_way_around_it_commits_what_came_after(server, alias):
    with atomic():
        insert(1)
        sid = transaction.savepoint(MSSQL)
        with pytest.raises(IntegrityError):
            insert(1)
        with pytest.raises(TransactionManagementError):
            transaction.savepoint_rollback(sid, MSSQL)
        transaction.set_rollback(False, MSSQL)
        with pytest.raises(TransactionManagementError):
            insert(2)
    assert held(server) == []


def test_an_error_while_rows_are_fetched_counts_as_well(server, alias):
    for number in range(5):
        insert(number)
    with atomic():
        insert(9)
        with server.fail("fetch", "error", after=2), pytest.raises(Error):
            run("SELECT id FROM unit")
        assert transaction.get_rollback(MSSQL)
    assert 9 not in held(server)


def test_without_a_block_it_can_only_be_rolled_back_too(server, alias):
    connection = connections[MSSQL]
    connection.set_autocommit(False)
    insert(1)
    with pytest.raises(IntegrityError):
        insert(1)
    with pytest.raises(TransactionManagementError):
        insert(2)
    with pytest.raises(TransactionManagementError):
        connection.commit()
    with pytest.raises(TransactionManagementError):
        connection.set_autocommit(True)
    connection.rollback()
    insert(3)
    connection.commit()
    connection.set_autocommit(True)
    assert held(server) == [3]


def test_outside_transactions_an_error_ends_nothing(server, alias):
    insert(1)
    with pytest.raises(IntegrityError):
        insert(1)
    insert(2)
    assert held(server) == [1, 2]


def test_a_block_that_is_rolled_back_by_its_error_leaves_a_usable_connection(server, alias):
    insert(1)

    @atomic()
    def fail():
        insert(2)
        insert(1)

    with pytest.raises(IntegrityError):
        fail()
    with atomic():
        insert(3)
    assert held(server) == [1, 3]
    assert len(server.log.logins) == 1


def test_savepoints_still_undo_what_was_no_error_of_the_database(server, alias):
    @atomic()
    def fail():
        insert(2)
        raise KeyError

    with atomic():
        insert(1)
        with pytest.raises(KeyError):
            fail()
        insert(3)
    assert held(server) == [1, 3]


def test_a_duplicate_key_that_was_expected_ends_nothing(server, alias):
    ran = []
    with atomic():
        connections[MSSQL].on_commit(lambda: ran.append(1))
        insert(1)
        with pytest.raises(IntegrityError):
            run(KEEPING, 1)
        insert(2)
    assert held(server) == [1, 2]
    assert ran == [1]
    # the setting was the statement's own
    with atomic(), pytest.raises(IntegrityError):
        insert(1)
    assert pool.figures().in_use == 1


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [("SET XACT_ABORT OFF; INSERT INTO unit VALUES (1)", []), (KEEPING, [None])],
)
def test_any_other_error_of_such_a_statement_ends_the_transaction(server, alias, sql, parameters):
    insert(1)
    with atomic():
        insert(2)
        with pytest.raises(IntegrityError):
            run(sql, *parameters)
        assert transaction.get_rollback(MSSQL)
    assert held(server) == [1]
