"""Every phase x way: what the real driver reports, and which side holds the row."""

import errno
import socket
import threading
import time

import pytest

from tests.tds.client import LOGIN_S, MARKS, QUERY_S, Client, becomes_true, seen
from tests.tds.endpoint import HOST, Endpoint
from tests.tds.faults import PHASES, WAYS
from tests.tds.test_tls import HANDSHAKES

pytestmark = MARKS
ROWS, FETCHED = 10, 4
REFUSED, RESET, CLOSED, HANDSHAKE = 0, 104, 10054, 26
SAID = (9001, 1, 17, "The log is not available.")
IMPOSSIBLE = {("connect", "error"), ("tls", "error")}
IMPOSSIBLE |= {(phase, "drop") for phase in PHASES if phase != "connect"}
IN_A_SESSION = ("describe", "execute", "fetch", "commit_before", "commit_after")

CONNECTING = {
    ("connect", "refuse"): ("HYT00", REFUSED),
    ("connect", "drop"): ("HYT00", REFUSED),
    ("connect", "fin"): ("08001", HANDSHAKE),
    ("connect", "rst"): ("08001", HANDSHAKE),
    ("connect", "hang"): ("HYT00", 0),
    ("prelogin", "refuse"): ("08001", HANDSHAKE),
    ("prelogin", "fin"): ("08001", HANDSHAKE),
    ("prelogin", "rst"): ("08001", HANDSHAKE),
    ("prelogin", "hang"): ("HYT00", 0),
    # the driver takes an error in answer to PRELOGIN for a server of the year 2000
    ("prelogin", "error"): ("08001", 22),
    ("login", "refuse"): ("08S01", RESET),
    ("login", "fin"): ("08S01", CLOSED),
    ("login", "rst"): ("08S01", RESET),
    ("login", "hang"): ("HYT00", 0),
    ("login", "error"): ("42000", SAID[0]),
}
CONNECTED = {
    "refuse": ("08S01", RESET),
    "fin": ("08S01", CLOSED),
    "rst": ("08S01", RESET),
    "hang": ("HYT00", 0),
    "error": ("42000", SAID[0]),
}


@pytest.fixture
def endpoint():
    with Endpoint() as made:
        made.store.run("CREATE TABLE unit (id int NOT NULL PRIMARY KEY)")
        made.store.run("CREATE TABLE many (id int NOT NULL PRIMARY KEY)")
        for number in range(ROWS):
            made.store.run("INSERT INTO many VALUES (@P1)", number)
        yield made


@pytest.fixture
def connect(endpoint):
    with Client(endpoint) as client:
        yield client


def insert(connection):
    connection.execute("INSERT INTO unit VALUES (?)", 1)


def refused(endpoint):
    with socket.socket() as probe:
        probe.settimeout(0.1)
        return probe.connect_ex((HOST, endpoint.port)) == errno.ECONNREFUSED


def test_the_grid_is_complete():
    grid = set(CONNECTING) | {("tls", way) for way in HANDSHAKES}
    grid |= {(phase, way) for phase in IN_A_SESSION for way in CONNECTED}
    assert grid | IMPOSSIBLE == {(phase, way) for phase in PHASES for way in WAYS}


@pytest.mark.parametrize(("phase", "way"), sorted(IMPOSSIBLE))
def test_a_fault_that_cannot_be_is_refused(endpoint, phase, way):
    with pytest.raises(ValueError, match=r"before PRELOGIN|only a connect"):
        endpoint.fail(phase, way)


@pytest.mark.parametrize(("phase", "way"), CONNECTING)
def test_a_connect_that_fails(endpoint, connect, phase, way):
    started = time.monotonic()
    with endpoint.fail(phase, way, error=SAID):
        assert seen(connect) == (*CONNECTING[phase, way], "SQLDriverConnect")
        took = time.monotonic() - started
        assert refused(endpoint) == (way == "refuse")
    waits = way in ("hang", "drop") or (phase, way) == ("connect", "refuse")
    assert (took >= LOGIN_S) == waits
    connect()


@pytest.mark.parametrize("way", ["refuse", "fin", "rst", "hang"])
def test_a_break_in_the_drivers_own_question_is_told_of_the_statement(endpoint, connect, way):
    connection = connect()
    with endpoint.fail("describe", way):
        state, _, function = seen(lambda: connection.execute("SELECT ?", None))
    assert (state, function) == ("08S01", "SQLExecDirectW")


@pytest.mark.parametrize(("aborts", "held"), [("ON", 0), ("OFF", 1)])
def test_an_error_in_the_drivers_own_question_is_hidden_and_ends_the_transaction(
    endpoint, connect, aborts, held
):
    """What is done after it is done in another, and committed."""
    connection = connect()
    connection.execute(f"SET XACT_ABORT {aborts}")
    insert(connection)
    with endpoint.fail("describe", "error", error=SAID):
        assert connection.execute("SELECT ?", None).fetchval() is None
    connection.execute("INSERT INTO unit VALUES (2)")
    connection.commit()
    assert endpoint.store.count("unit") == held + 1


@pytest.mark.parametrize("way", CONNECTED)
def test_a_statement_that_fails(endpoint, connect, way):
    connection = connect()
    started = time.monotonic()
    with endpoint.fail("execute", way, error=SAID):
        assert seen(lambda: insert(connection)) == (*CONNECTED[way], "SQLExecDirectW")
        assert refused(endpoint) == (way == "refuse")
    # The driver asks to cancel, and waits for the answer twice as long again.
    assert (time.monotonic() - started >= 3 * QUERY_S) == (way == "hang")
    usable_only_after_an_error(connection, way)
    assert endpoint.store.count("unit") == 0


@pytest.mark.parametrize("way", CONNECTED)
def test_a_result_that_breaks_off(endpoint, connect, way):
    connection = connect()
    rows = []

    def read():
        for row in connection.execute("SELECT id FROM many"):
            rows.append(row)

    with endpoint.fail("fetch", way, after=FETCHED, error=SAID):
        # An error is told in place of the next row, a broken link while one is being read.
        expected = (*CONNECTED[way], "SQLFetch" if way == "error" else "SQLGetData")
        assert seen(read) == expected
    assert len(rows) == FETCHED - (way != "error")
    usable_only_after_an_error(connection, way)


@pytest.mark.parametrize("way", CONNECTED)
@pytest.mark.parametrize(("phase", "held"), [("commit_before", 0), ("commit_after", 1)])
def test_a_commit_whose_outcome_the_caller_cannot_tell(endpoint, connect, phase, held, way):
    connection = connect()
    insert(connection)
    with endpoint.fail(phase, way, error=SAID):
        assert seen(connection.commit) == (*CONNECTED[way], "SQLEndTran")
        assert becomes_true(lambda: endpoint.open_connections == (way in ("hang", "error")))
        assert endpoint.store.count("unit") == held
    usable_only_after_an_error(connection, way)
    if way == "hang":
        # The frozen server got the COMMIT, and carries it out for a client that has left.
        assert becomes_true(lambda: endpoint.store.count("unit") == 1)


def usable_only_after_an_error(connection, way):
    if way == "error":
        assert connection.execute("SELECT 1").fetchval() == 1
    else:
        assert seen(lambda: connection.execute("SELECT 1"))[0] == "08S01"


# --- what else can be done to it ------------------------------------------------------------------
def test_a_hang_that_ends_is_only_a_delay(endpoint, connect):
    connection = connect(autocommit=True)
    with endpoint.fail("execute", "hang", seconds=0.2) as fault:
        assert connection.execute("SELECT 1").fetchval() == 1
        assert fault.hit.is_set()


def test_a_commit_that_hung_is_not_carried_out_once_its_connection_is_killed(endpoint, connect):
    connection = connect()
    insert(connection)
    with endpoint.fail("commit_before", "hang") as fault:
        killer = threading.Thread(
            target=lambda: fault.hit.wait(QUERY_S) and endpoint.kill_connections()
        )
        killer.start()
        assert seen(connection.commit) == ("08S01", RESET, "SQLEndTran")
        killer.join()
    assert becomes_true(lambda: endpoint.open_connections == 0)
    assert endpoint.store.count("unit") == 0


def test_a_fault_can_wait_and_be_spent(endpoint, connect):
    connection = connect(autocommit=True)
    with endpoint.fail("execute", "error", after=1, times=1, matching="FROM many", error=SAID):
        count = "SELECT COUNT(*) FROM many"
        assert connection.execute(count).fetchval() == ROWS
        assert connection.execute("SELECT 1").fetchval() == 1
        assert seen(lambda: connection.execute(count))[1] == SAID[0]
        assert connection.execute(count).fetchval() == ROWS


def test_a_write_outside_a_transaction_is_a_commit_of_its_own(endpoint, connect):
    connection = connect(autocommit=True)
    with endpoint.fail("commit_after", "rst"):
        assert seen(lambda: insert(connection))[0] == "08S01"
    assert endpoint.store.count("unit") == 1


def test_killed_connections_lose_what_they_had_not_committed(endpoint, connect):
    connection = connect()
    insert(connection)
    endpoint.kill_connections()
    assert becomes_true(lambda: endpoint.open_connections == 0)
    assert seen(connection.commit) == ("08S01", RESET, "SQLEndTran")
    assert endpoint.store.count("unit") == 0
    insert(connect())


def test_a_frozen_server_takes_connects_and_answers_nobody_until_it_thaws(endpoint, connect):
    connection = connect(autocommit=True)
    endpoint.freeze()
    assert not refused(endpoint)
    assert seen(connect) == ("HYT00", 0, "SQLDriverConnect")
    thawing = threading.Timer(0.2, endpoint.thaw)
    thawing.start()
    assert connection.execute("SELECT 1").fetchval() == 1
    thawing.join()


def test_an_error_of_class_20_closes_the_connection_after_it_is_told(endpoint, connect):
    connection = connect(autocommit=True)
    killed = (596, 1, 21, "Cannot continue: the session is in the kill state.")
    with endpoint.fail("execute", "error", error=killed):
        assert seen(lambda: connection.execute("SELECT 1")) == ("HY000", 596, "SQLExecDirectW")
    assert seen(lambda: connection.execute("SELECT 1")) == ("08S01", CLOSED, "SQLExecDirectW")
