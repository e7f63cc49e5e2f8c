import contextlib
import errno
import threading
import time

import pytest
from django.db import OperationalError, ProgrammingError, connections

from rodcorp.databases import probe as probing
from rodcorp.databases import reach as reaching
from rodcorp.databases.deadline import Deadline
from rodcorp.databases.failures import Check, Failure, Kind
from rodcorp.databases.primary import primary_settings
from rodcorp.databases.probe import (
    START_ATTEMPTS,
    Answer,
    ServerState,
    ask,
    log_in,
    probe,
    probe_at_start,
)
from rodcorp.databases.reach import Reach, Reached
from tests.databases.live import needs_server, settings_of_server
from tests.databases.test_reach import ANSWER, end, greet, hang, listening

GOOD = ServerState(writable=True, clock_offset_s=0.0, clock_error_s=0.0, utc_offset_min=0)


def settings_for(port, host="127.0.0.1", **changes):
    return primary_settings(
        {
            "MSSQL_HOST": host,
            "MSSQL_PORT": str(port),
            "MSSQL_DATABASE": "d",
            "MSSQL_USER": "u",
            "MSSQL_PASSWORD": "p",
            **changes,
        }
    )


def test_a_process_without_sockets_blames_nobody_else(monkeypatch):
    def none_left(*args):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(reaching.socket, "socket", none_left)
    answer = probe(settings_for(1433))
    assert (answer.reached.reach, answer.failure.kind) == (Reach.LOCAL_FAULT, Kind.TRANSIENT)


def test_a_server_that_does_not_know_strict_encryption_is_no_outage():
    def only_plain(connection, done):
        if connection.recv(4096)[:1] == b"\x12":
            connection.sendall(ANSWER)

    with listening(only_plain) as port:
        answer = probe(settings_for(port, MSSQL_ENCRYPT="strict"))
    assert answer.reached.reach is Reach.NOT_STRICT
    assert answer.is_configuration


@pytest.mark.parametrize(
    ("behave", "kind"),
    [(end, Kind.UNAVAILABLE), (hang, Kind.UNAVAILABLE), (greet, Kind.CONFIGURATION)],
)
def test_a_probe_that_reaches_nobody_does_not_log_in(behave, kind):
    def never():
        raise AssertionError("logged in")

    with listening(behave) as port:
        answer = probe(settings_for(port), never)
    assert answer.failure.kind is kind
    assert not answer.is_good


def probed(login, monkeypatch):
    there = Reached(Reach.REACHABLE, 0.001, "16.0.1000")
    monkeypatch.setattr(probing, "reach", lambda *args, **options: there)
    return probe(settings_for(1433), login)


def raising(error):
    def login():
        raise error

    return login


def driver_says(state, text, native):
    text = f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{text} ({native})"
    return state, f"{text} (SQLDriverConnect)"


def test_all_is_well_when_it_may_be_written_to(monkeypatch):
    answer = probed(lambda: GOOD, monkeypatch)
    assert answer.is_good
    assert answer.state is GOOD


def test_a_database_that_can_only_be_read_is_unavailable(monkeypatch):
    readonly = ServerState(False, 0.0, 0.0, 0)
    answer = probed(lambda: readonly, monkeypatch)
    assert (answer.failure.kind, answer.failure.code) == (Kind.UNAVAILABLE, "read-only")


@pytest.mark.parametrize(
    ("state", "text", "native", "kind"),
    [
        ("28000", "Login failed for user 'u'.", 18456, Kind.CONFIGURATION),
        ("42000", "Database 'd' is being recovered.", 922, Kind.UNAVAILABLE),
        ("HYT00", "Login timeout expired", 0, Kind.UNAVAILABLE),
        ("HY000", "Never heard of", 0, Kind.UNAVAILABLE),
        ("42000", "Never heard of", 99999, Kind.CONFIGURATION),
        ("42000", "The service is busy.", 40501, Kind.TRANSIENT),
    ],
)
def test_a_refused_login_is_what_it_says(monkeypatch, state, text, native, kind):
    error = OperationalError(*driver_says(state, text, native))
    assert probed(raising(error), monkeypatch).failure.kind is kind


def test_a_login_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(probing, "_DEADLINE", Deadline(0.05))
    release = threading.Event()
    answer = probed(lambda: release.wait(30), monkeypatch)
    release.set()
    assert (answer.failure.kind, answer.failure.code) == (Kind.UNAVAILABLE, "login timed out")


def test_a_mistake_in_the_login_itself_is_raised(monkeypatch):
    with pytest.raises(KeyError):
        probed(raising(KeyError("typo")), monkeypatch)


class Answering:
    """A connection to `master` whose one query has this answer."""

    def __init__(self, answer):
        self.answer = answer

    def cursor(self):
        return contextlib.nullcontext(self)

    def execute(self, sql, parameters=()):
        if isinstance(self.answer, Exception):
            raise self.answer

    def fetchone(self):
        return self.answer

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("in_master", "kind"),
    [
        (("RECOVERING",), Kind.UNAVAILABLE),
        (("OFFLINE",), Kind.UNAVAILABLE),
        (("ONLINE",), Kind.CONFIGURATION),
        (None, Kind.CONFIGURATION),
        (
            OperationalError("08S01", "[08S01] [Microsoft]gone (104) (SQLExecDirectW)"),
            "unavailable",
        ),
        (ProgrammingError(*driver_says("42000", "no", 916)), Kind.CONFIGURATION),
    ],
)
def test_a_database_that_cannot_be_opened_is_asked_for_in_master(monkeypatch, in_master, kind):
    master = Answering(in_master)
    monkeypatch.setattr(probing, "_connection", lambda database: master)
    error = ProgrammingError(*driver_says("42000", 'Cannot open database "d"', 4060))
    assert probed(raising(error), monkeypatch).failure.kind == kind
    assert master.closed


def test_asking_measures_the_servers_clock():
    from datetime import UTC, datetime, timedelta

    ahead = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=90)
    state = ask(Answering(("READ_WRITE", ahead, 120)))
    assert state.writable
    assert state.utc_offset_min == 120
    assert abs(state.clock_offset_s - 90) < 5
    assert 0 <= state.clock_error_s < 5
    assert not ask(Answering(("READ_ONLY", ahead, 0))).writable


def starts(*answers):
    """The answer of a start, how many looks it took, and the pauses between them."""
    looks, pauses = iter(answers), []
    answer = probe_at_start(lambda: next(looks), sleep=pauses.append)
    return answer, len(answers) - len(list(looks)), pauses


THERE = Reached(Reach.REACHABLE, 0.001)
WELL = Answer(THERE)
GONE = Answer(Reached(Reach.REFUSED, 0.001), Failure(Kind.UNAVAILABLE, "refused"))
WRONG = Answer(THERE, Failure(Kind.CONFIGURATION, "18456"))


def test_a_start_takes_the_first_good_answer():
    assert starts(WELL) == (WELL, 1, [])
    answer, looks, pauses = starts(GONE, WELL, GONE)
    assert (answer, looks, len(pauses)) == (WELL, 2, 1)


def test_a_start_gives_up_after_three_attempts():
    answer, looks, pauses = starts(*[GONE] * 9)
    assert (answer, looks, len(pauses)) == (GONE, START_ATTEMPTS, START_ATTEMPTS - 1)


def test_a_configuration_error_ends_the_start_at_once():
    assert starts(WRONG, WELL) == (WRONG, 1, [])
    assert starts(GONE, WRONG, WELL)[:2] == (WRONG, 2)


def test_pauses_grow_and_differ():
    pauses = [tuple(starts(GONE, GONE, GONE)[2]) for _ in range(50)]
    assert all(0.125 <= first <= 0.375 and 0.25 <= second <= 0.75 for first, second in pauses)
    assert len(set(pauses)) > 40


def test_a_start_is_bounded_however_slow_the_answers_are():
    seconds = iter(range(0, 100, 5))
    looks = []
    probe_at_start(
        lambda: looks.append(1) or GONE, sleep=lambda pause: None, clock=lambda: next(seconds)
    )
    assert len(looks) == 1


class TestOnAServer:
    pytestmark = needs_server

    @pytest.fixture
    def settings(self, monkeypatch, django_db_blocker):
        settings = settings_of_server()
        monkeypatch.setitem(connections.settings, "mssql", settings)
        with django_db_blocker.unblock():
            yield settings

    def test_it_is_reached_and_may_be_written_to(self, settings):
        answer = probe(settings, log_in)
        assert answer.failure is None
        assert answer.state.writable
        assert answer.reached.server_version
        assert abs(answer.state.clock_offset_s) < 3600

    def test_a_wrong_password_is_no_outage(self, settings):
        connections.settings["mssql"] = {**settings, "PASSWORD": "wrong"}
        started = time.monotonic()
        assert probe_at_start(lambda: probe(settings, log_in)).is_configuration
        assert time.monotonic() - started < 2

    def test_a_wrong_database_is_no_outage(self, settings):
        connections.settings["mssql"] = {**settings, "NAME": "no_such_database"}
        answer = probe(settings, log_in)
        assert answer.failure.kind is Kind.CONFIGURATION
        assert answer.failure.check is Check.NONE
