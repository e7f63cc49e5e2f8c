"""The scripted endpoint, through Microsoft's real driver and through Django: what it answers."""

import time
from datetime import datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import Error, IntegrityError, OperationalError, models, transaction
from django.test.utils import isolate_apps

from agents.models import Agent
from rodcorp.databases.fields import GuidField
from rodcorp.databases.router import REPLICATED_APPS
from tests.tds.client import MARKS, QUERY_S, Client, diagnosis, seen
from tests.tds.endpoint import Endpoint
from tests.tds.orm import create_tables, registered
from tests.tds.tokens import Result, ServerError

pytestmark = MARKS
ROWS = 10


@pytest.fixture
def endpoint():
    with Endpoint() as made:
        made.store.run("CREATE TABLE unit (id int NOT NULL PRIMARY KEY, name nvarchar(50) UNIQUE)")
        made.store.run("CREATE TABLE many (id int NOT NULL PRIMARY KEY)")
        for number in range(ROWS):
            made.store.run("INSERT INTO many VALUES (@P1)", number)
        yield made


@pytest.fixture
def connect(endpoint):
    with Client(endpoint) as client:
        yield client


# --- what it answers ------------------------------------------------------------------------------
def test_a_select_is_answered(connect):
    assert connect().execute("SELECT 1").fetchval() == 1


def test_parameters_come_back_as_they_went(endpoint, connect):
    endpoint.store.run(
        "CREATE TABLE kinds (id int NOT NULL PRIMARY KEY, text nvarchar(max), at datetime2,"
        " guid uniqueidentifier, price decimal(12, 2), yes bit, big bigint)"
    )
    moment = datetime.fromisoformat("2026-01-02 03:04:05.678901")
    guid = uuid4()
    values = ["Zoë 😀", moment, guid, Decimal("12.50"), True, 2**40]
    connection = connect(autocommit=True)
    connection.execute("INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?, ?)", 1, *values)
    connection.execute("INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?, ?)", 2, *[None] * 6)
    first, second = connection.execute("SELECT * FROM kinds ORDER BY id").fetchall()
    assert list(first) == [1, "Zoë 😀", moment, str(guid).upper(), *values[3:]]
    assert list(second) == [2, *[None] * 6]


def test_long_text_crosses_packets(connect):
    text = "ж" * 50_000
    assert connect().execute("SELECT ?", text).fetchval() == text


def test_a_batch_has_a_result_for_each_statement(connect):
    cursor = connect(autocommit=True).cursor()
    cursor.execute("SELECT 1; UPDATE many SET id = id + 100; SELECT 2")
    assert cursor.fetchval() == 1
    assert cursor.nextset()
    assert cursor.rowcount == ROWS
    assert cursor.nextset()
    assert cursor.fetchval() == 2


def test_a_transaction_is_seen_by_others_once_it_is_committed(endpoint, connect):
    connection = connect()
    connection.execute("INSERT INTO unit VALUES (1, 'a')")
    assert endpoint.store.count("unit") == 0
    connection.commit()
    connection.execute("INSERT INTO unit VALUES (2, 'b')")
    connection.rollback()
    assert endpoint.store.run("SELECT id FROM unit") == [(1,)]


def test_a_doubled_value_is_error_2627_and_the_transaction_goes_on(endpoint, connect):
    connection = connect()
    connection.execute("INSERT INTO unit VALUES (1, 'a')")
    again = seen(lambda: connection.execute("INSERT INTO unit VALUES (2, ?)", "a"))
    assert again == ("23000", 2627, "SQLExecDirectW")
    connection.commit()
    assert endpoint.store.count("unit") == 1


def test_transactions_can_be_statements_with_savepoints(endpoint, connect):
    connection = connect(autocommit=True)
    connection.execute("BEGIN TRANSACTION; INSERT INTO unit VALUES (1, 'a'); SAVE TRANSACTION one")
    connection.execute("INSERT INTO unit VALUES (2, 'b'); ROLLBACK TRANSACTION one")
    assert connection.execute("SELECT @@TRANCOUNT").fetchval() == 1
    connection.execute("IF @@TRANCOUNT > 0 COMMIT TRANSACTION")
    assert endpoint.store.run("SELECT id FROM unit") == [(1,)]
    assert seen(lambda: connection.execute("COMMIT"))[1] == 3902
    assert seen(lambda: connection.execute("THROW 50001, N'It''s over', 1"))[1] == 50001


def test_implicit_transactions_begin_with_the_first_table(endpoint, connect):
    connection = connect(autocommit=True)
    connection.execute("SET IMPLICIT_TRANSACTIONS ON")
    assert connection.execute("SELECT @@TRANCOUNT").fetchval() == 0
    connection.execute("INSERT INTO unit VALUES (1, 'a')")
    assert connection.execute("SELECT @@TRANCOUNT").fetchval() == 1
    connection.execute("ROLLBACK")
    assert endpoint.store.count("unit") == 0


def test_under_xact_abort_an_error_ends_the_transaction_and_the_driver_begins_another(
    endpoint, connect
):
    """So a caller that swallows the error and commits keeps only what came after it."""
    connection = connect()
    connection.execute("SET XACT_ABORT ON")
    connection.execute("INSERT INTO unit VALUES (1, 'a')")
    assert seen(lambda: connection.execute("INSERT INTO unit VALUES (1, 'b')"))[1] == 2627
    connection.execute("INSERT INTO unit VALUES (3, 'c')")
    connection.commit()
    assert endpoint.store.run("SELECT id FROM unit") == [(3,)]


def test_what_the_endpoint_cannot_run_is_an_error_that_says_so(connect):
    with pytest.raises(Exception, match="for the endpoint"):
        connect().execute("MERGE INTO unit USING many ON 1 = 1 WHEN MATCHED THEN DELETE")


def test_a_lock_wait_is_1222_after_lock_timeout(connect):
    holder, waiter = connect(), connect()
    holder.execute("INSERT INTO unit VALUES (1, 'a')")
    waiter.execute("SET LOCK_TIMEOUT 100")
    blocked = seen(lambda: waiter.execute("INSERT INTO unit VALUES (2, 'b')"))
    assert blocked == ("42000", 1222, "SQLExecDirectW")


def test_a_query_timeout_cancels_the_statement_and_spares_the_connection(endpoint, connect):
    connection = connect(autocommit=True)
    started = time.monotonic()
    slow = seen(lambda: connection.execute("WAITFOR DELAY '00:00:20'"))
    assert slow == ("HYT00", 0, "SQLExecDirectW")
    assert time.monotonic() - started < 2 * QUERY_S
    assert connection.execute("SELECT 1").fetchval() == 1
    assert endpoint.log.attentions == 1


def test_a_script_answers_before_the_engine(endpoint, connect):
    endpoint.script[r"recovery_fork_guid"] = Result("SELECT", ["fork"], [["one"]], 1)
    endpoint.script[r"sys\.nothing"] = ServerError(229, "The SELECT permission was denied.")
    connection = connect()
    asked = "SELECT recovery_fork_guid FROM sys.database_recovery_status"
    assert connection.execute(asked).fetchval() == "one"
    denied = seen(lambda: connection.execute("SELECT 1 FROM sys.nothing"))
    assert denied == ("42000", 229, "SQLExecDirectW")


# --- the login ------------------------------------------------------------------------------------
def test_a_login_shows_who_asks_for_what(endpoint, connect):
    connect(APP="rodcorp")
    [login] = endpoint.log.logins
    assert (login.user, login.database, login.application) == ("tester", "scripted", "rodcorp")
    assert not login.read_only_intent


def test_the_intent_is_a_bit_of_the_login(endpoint, connect):
    connect(ApplicationIntent="ReadOnly")
    assert endpoint.log.logins[0].read_only_intent


def test_multi_subnet_failover_is_the_clients_own_affair(endpoint, connect):
    connect(MultiSubnetFailover="no")
    connect(MultiSubnetFailover="yes")
    first, second = endpoint.log.logins
    assert first.raw == second.raw


def test_the_driver_asks_for_session_recovery_only_when_it_may_reconnect(endpoint, connect):
    connect(ConnectRetryCount="0")
    connect(ConnectRetryCount="1")
    first, second = endpoint.log.logins
    assert (1 in first.features, 1 in second.features) == (False, True)


def test_a_wrong_password_and_a_wrong_database_are_named(connect):
    assert seen(lambda: connect(PWD="wrong")) == ("28000", 18456, "SQLDriverConnect")
    assert seen(lambda: connect(DATABASE="other")) == ("42000", 4060, "SQLDriverConnect")


# --- Django ---------------------------------------------------------------------------------------
ALIAS = "scripted"


def transaction_of_django():
    return transaction.atomic(ALIAS)  # noqa: TID251  units stand on it


@pytest.fixture
def alias(endpoint, django_db_blocker):
    """An alias of mssql-django as it comes, and a model of its own with its table."""
    made = registered(endpoint, ALIAS, engine="mssql")
    with isolate_apps("agents"), django_db_blocker.unblock(), made as connection:

        class Thing(models.Model):
            id = GuidField(primary_key=True, default=uuid4)
            name = models.CharField(max_length=50, unique=True)
            at = models.DateTimeField(null=True)
            price = models.DecimalField(max_digits=12, decimal_places=2, null=True)

            class Meta:
                app_label = "agents"
                db_table = "Thing"

        create_tables(connection, [Thing])
        yield Thing.objects.using(ALIAS)


def test_the_projects_own_tables_stand_on_it(endpoint, django_db_blocker):
    with django_db_blocker.unblock(), registered(endpoint, ALIAS) as made:
        create_tables(
            made, [m for app in REPLICATED_APPS for m in apps.get_app_config(app).get_models()]
        )
        agent = Agent.objects.using(ALIAS).create(
            name="Ada", project="main", machine_hostname="host-1", machine_ip="127.0.0.1"
        )
        assert Agent.objects.using(ALIAS).get(name="ADA") == agent
    assert endpoint.store.count("GlobalAgentRegistry", AgentUUID=agent.pk) == 1


def test_django_creates_reads_updates_and_deletes(alias):
    made = alias.create(name="Zoë", price=Decimal("1.50"))
    alias.bulk_create([alias.model(name=f"n{number}") for number in range(5)])
    assert alias.get(pk=made.pk).price == Decimal("1.50")
    assert list(alias.order_by("name").values_list("name", flat=True)[1:3]) == ["n1", "n2"]
    assert alias.filter(name__startswith="n").update(price=2) == 5
    assert alias.values("price").annotate(of=models.Count("*")).count() == 2
    assert alias.filter(pk=made.pk).delete()[0] == 1
    assert alias.count() == 5


def test_djangos_transactions_and_savepoints_hold(endpoint, alias):
    with transaction_of_django():
        alias.create(name="kept")
        with pytest.raises(IntegrityError, match="2627"), transaction_of_django():
            alias.create(name="kept")
    with transaction_of_django():
        alias.create(name="undone")
        transaction.set_rollback(True, using=ALIAS)
    assert endpoint.store.run("SELECT name FROM Thing") == [("kept",)]


@pytest.mark.parametrize(("phase", "held"), [("commit_before", 0), ("commit_after", 1)])
def test_django_hides_a_lost_commit_behind_a_second_error(endpoint, alias, phase, held):
    def unit():
        with transaction_of_django():
            alias.create(name="kept")

    with endpoint.fail(phase, "rst"), pytest.raises(OperationalError) as caught:
        unit()
    assert diagnosis(caught.value) == ("08S01", 0, "SQLExecDirectW")
    natives = []
    error = caught.value
    while error := error.__context__:
        natives.append(diagnosis(error))
    assert ("08S01", 104, "SQLEndTran") in natives
    assert endpoint.store.count("Thing", name="kept") == held


def test_a_deadlock_reaches_django_as_a_bare_error(endpoint, alias):
    deadlock = (1205, 45, 13, "The transaction was deadlocked.")
    with endpoint.fail("execute", "error", error=deadlock), pytest.raises(Error) as caught:
        alias.create(name="lost")
    assert type(caught.value) is Error
    assert diagnosis(caught.value) == ("40001", 1205, "SQLExecDirectW")
