"""Every moment at which SQL Server can fail, in every way: what the caller gets, which side holds
the row, how many times, and how long it took. Seen by the real driver, through the scripted
endpoint; the copy may stand in."""

import contextlib
import threading
import time
from contextlib import contextmanager
from itertools import cycle
from random import Random

import pytest
from django.db import Error, connections

from agents.models import Agent
from rodcorp.databases import eligibility, failover, journal, pool, sides, switching
from rodcorp.databases.doctor import examine
from rodcorp.databases.journal import as_feed
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.repeatable import run_repeatable
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Busy, Unavailable
from rodcorp.kit import rows
from tests.tds.client import LOGIN_S, MARKS, QUERY_S, becomes_true
from tests.tds.tokens import Result

pytestmark = MARKS

# The mode afterwards, and how many rows the primary and the copy hold.
PRIMARY, COPY, BOTH = ("primary", 1, 0), ("fallback", 0, 1), ("fallback", 1, 1)

# Seconds. A statement that hangs ends three query timeouts later: the driver asks to cancel it, and
# waits twice as long again for an answer to that.
AT_ONCE, LOOKING, LOGGING_IN, WAITING = 1.0, 2.0, LOGIN_S + 2.0, 3 * QUERY_S + 3.0
GIVES_UP_S = 3 * QUERY_S

# A hang that strikes once ends by itself, after its client has left.
STALL_S = GIVES_UP_S + 0.5

AGENTS, HISTORY, MARKERS = "GlobalAgentRegistry", "GlobalAgentRegistryHistory", "UnitMarkers"
GONE = (9001, 1, 17, "The log is not available.")
BEFORE_LOGIN = {"connect", "prelogin", "tls", "login"}


@pytest.fixture
def driver(django_db_blocker, monkeypatch):
    """Nobody takes an earlier answer for news, so each asks the primary first."""
    from tests.tds.driver import register

    register()
    monkeypatch.setattr(failover, "FRESH_S", 0.0)
    with django_db_blocker.unblock():
        yield


@contextmanager
def complete_company(*arguments, **options):
    from tests.sides.server import company_on_a_server

    with company_on_a_server(*arguments, **options) as endpoint:
        eligibility.note_complete(connections["sqlite"])
        yield endpoint


@pytest.fixture
def server(driver, tmp_path, monkeypatch):
    with complete_company(tmp_path, monkeypatch) as endpoint:
        yield endpoint


@pytest.fixture
def write(system):
    """A unit that counts the agents and inserts one: the id it answered, and how often it ran."""

    def unit(name="Ada", **options):
        runs = []

        def work(unit):
            runs.append(unit.id)
            Agent.objects.count()
            return str(rows.insert(agent(name)).pk)

        answer = run_in_unit(work, actor=system, operation="test", **options)
        assert len(set(runs)) <= 1
        return answer, len(runs)

    return unit


def agent(name):
    return Agent(name=name, project="p", machine_hostname="h", machine_ip="::1")


def mode():
    return str(sides.mode_file().read().mode)


def ids(server, name="Ada"):
    """Of the agents of this name: on the primary, on the copy."""
    stored = server.store.run(f"SELECT AgentUUID FROM {AGENTS} WHERE AgentName = @P1", name)
    copied = Agent.objects.using("sqlite").filter(name=name).values_list("pk", flat=True)
    return [str(row[0]) for row in stored], [str(pk) for pk in copied]


def found(server, answer):
    """Where the row is that was answered; there is no other."""
    on_primary, on_copy = ids(server)
    assert {*on_primary, *on_copy} == {answer}
    return mode(), len(on_primary), len(on_copy)


def nothing_is_written(server):
    return ids(server) == ([], []) and mode() == "primary"


def log_everybody_out():
    """What comes next has to connect."""
    connections["mssql"].close()
    pool.clear()


@contextmanager
def within(seconds):
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def fail(server, phase, how, *, once):
    if phase in BEFORE_LOGIN:
        log_everybody_out()
    stall = STALL_S if once and how == "hang" else None
    return server.fail(phase, how, times=1 if once else None, error=GONE, seconds=stall)


# --- a unit, and a page ---------------------------------------------------------------------------
# Where a unit ends up while the fault is in force, where if it struck once, and the longest it may
# take. A port that refuses goes on refusing, so that nothing strikes once there.
MATRIX = {
    ("connect", "refuse"): (COPY, COPY, AT_ONCE),
    ("connect", "drop"): (COPY, COPY, LOOKING),
    ("connect", "fin"): (COPY, PRIMARY, AT_ONCE),
    ("connect", "rst"): (COPY, PRIMARY, AT_ONCE),
    ("connect", "hang"): (COPY, PRIMARY, LOOKING),
    ("prelogin", "refuse"): (COPY, COPY, AT_ONCE),
    ("prelogin", "fin"): (COPY, PRIMARY, AT_ONCE),
    ("prelogin", "rst"): (COPY, PRIMARY, AT_ONCE),
    ("prelogin", "hang"): (COPY, PRIMARY, LOOKING),
    ("login", "refuse"): (COPY, COPY, AT_ONCE),
    ("login", "fin"): (COPY, PRIMARY, AT_ONCE),
    ("login", "rst"): (COPY, PRIMARY, AT_ONCE),
    ("login", "hang"): (COPY, COPY, LOGGING_IN),
    ("login", "error"): (COPY, PRIMARY, AT_ONCE),
    ("execute", "refuse"): (COPY, COPY, AT_ONCE),
    ("execute", "fin"): (COPY, PRIMARY, AT_ONCE),
    ("execute", "rst"): (COPY, PRIMARY, AT_ONCE),
    ("execute", "hang"): (COPY, PRIMARY, WAITING),
    ("execute", "error"): (COPY, PRIMARY, AT_ONCE),
    ("fetch", "refuse"): (COPY, COPY, AT_ONCE),
    ("fetch", "fin"): (COPY, PRIMARY, AT_ONCE),
    ("fetch", "rst"): (COPY, PRIMARY, AT_ONCE),
    ("fetch", "hang"): (COPY, PRIMARY, WAITING),
    ("fetch", "error"): (COPY, PRIMARY, AT_ONCE),
}
COMMITS = {
    ("commit_before", "refuse"): (COPY, COPY, AT_ONCE),
    ("commit_before", "fin"): (COPY, PRIMARY, AT_ONCE),
    ("commit_before", "rst"): (COPY, PRIMARY, AT_ONCE),
    # in force, it is a commit nobody can tell anything of: see below
    ("commit_before", "hang"): (None, PRIMARY, WAITING),
    ("commit_before", "error"): (COPY, PRIMARY, AT_ONCE),
    ("commit_after", "refuse"): (BOTH, BOTH, AT_ONCE),
    ("commit_after", "fin"): (PRIMARY, PRIMARY, AT_ONCE),
    ("commit_after", "rst"): (PRIMARY, PRIMARY, AT_ONCE),
    ("commit_after", "hang"): (PRIMARY, PRIMARY, WAITING),
    ("commit_after", "error"): (PRIMARY, PRIMARY, AT_ONCE),
}
EVERY = [(cell, once) for cell in {**MATRIX, **COMMITS} for once in (False, True)]


def expected(cell, once):
    always, struck_once, longest = {**MATRIX, **COMMITS}[cell]
    return (struck_once if once else always), longest


def cases(*, keys):
    """Before a login a key makes no difference: the unit has not begun."""
    return [
        pytest.param(*cell, once, id=f"{'-'.join(cell)}-{'once' if once else 'always'}")
        for cell, once in EVERY
        if expected(cell, once)[0] and not (keys and cell[0] in BEFORE_LOGIN)
    ]


def written(server, write, phase, how, once, key):
    wanted, longest = expected((phase, how), once)
    with fail(server, phase, how, once=once), within(longest):
        answer, _ = write(key=key)
    assert found(server, answer) == wanted
    return answer


@pytest.mark.parametrize(("phase", "how", "once"), cases(keys=False))
def test_a_unit_gets_its_answer_and_leaves_one_row(server, write, phase, how, once):
    written(server, write, phase, how, once, None)


@pytest.mark.parametrize(("phase", "how", "once"), cases(keys=True))
def test_a_key_takes_effect_once(server, write, phase, how, once):
    answer = written(server, write, phase, how, once, "k")
    before = ids(server)
    assert write(key="k") == (answer, 0)
    assert ids(server) == before


@pytest.fixture
def page(server):
    """What a page reads: the agents' names. Each side has one agent, named after it."""
    Agent.objects.using("mssql").bulk_create([agent("primary")])
    with as_feed():
        Agent.objects.using("sqlite").bulk_create([agent("copy")])
    return lambda: run_repeatable(lambda: [found.name for found in Agent.objects.all()])


@pytest.mark.parametrize(
    ("phase", "how", "once"), [case for case in cases(keys=False) if case.values[:2] in MATRIX]
)
def test_a_page_is_read_from_the_side_that_answers(server, page, phase, how, once):
    (wanted, *_), longest = expected((phase, how), once)
    with fail(server, phase, how, once=once), within(longest):
        read = page()
    assert (mode(), read) == (wanted, ["primary" if wanted == "primary" else "copy"])


@pytest.mark.parametrize("phase", ["connect", "prelogin", "login", "execute", "fetch"])
def test_the_switch_is_made_once(server, write, phase):
    fail(server, phase, "rst", once=False)
    for number in range(3):
        write(f"A{number}")
    assert [switch.mode for switch in sides.mode_file().history()] == ["fallback"]


# A unit that has to connect asks the primary first, looks again as it opens its connection, and
# then the driver connects. If that hangs for as long as a login may take, nobody looks again.
LOST = [("fin", 0), ("rst", 0), ("hang", 0), ("fin", 2), ("rst", 2)]
LOST += [(how, 1) for how in ("fin", "rst", "hang")]


@pytest.mark.parametrize(("how", "good_ones"), LOST)
@pytest.mark.parametrize("phase", ["connect", "prelogin"])
def test_one_connection_that_is_lost_moves_nobody(server, write, phase, how, good_ones):
    log_everybody_out()
    server.fail(phase, how, after=good_ones, times=1)
    with within(AT_ONCE):
        answer, _ = write()
    assert found(server, answer) == PRIMARY


def test_who_leads_home_does_not_stumble_over_a_connection_from_before(server, write):
    write()
    switching.to_copy("maintenance")
    server.kill_connections()
    switching.to_primary("done")


def test_connections_that_died_while_they_were_idle_move_nobody(server, write):
    write("Grace")
    server.kill_connections()
    with within(AT_ONCE):
        answer, _ = write()
    assert found(server, answer) == PRIMARY


def test_a_server_that_freezes_is_left_by_who_comes_next(server, write):
    server.freeze()
    try:
        with within(LOOKING):
            answer, _ = write()
        assert found(server, answer) == COPY
    finally:
        server.thaw()


def test_something_else_on_the_port_is_a_mistake_and_no_outage(server, write, page):
    fail(server, "prelogin", "error", once=False)
    for call in (write, page):
        with within(AT_ONCE), pytest.raises(Error, match="not SQL Server"):
            call()
    assert nothing_is_written(server)


DEADLOCK = (1205, 45, 13, "The transaction was chosen as the deadlock victim.")


def test_the_driver_asks_nothing_of_its_own_inside_a_unit(server, write):
    """It hides what goes wrong then, even if that ends the transaction: the rest of the unit would
    be committed without its beginning."""
    question = server.fail("describe", "error", error=DEADLOCK)
    answer, _ = write()
    assert found(server, answer) == PRIMARY
    assert not question.hit.is_set()


# --- errors by number -----------------------------------------------------------------------------
def says(number, severity=16):
    return number, 1, severity, f"What SQL Server says with {number}."


@pytest.mark.parametrize("number", [1205, 1222])
def test_a_victim_runs_again_where_it_was(server, write, number):
    server.fail(
        "execute", "error", times=1, error=says(number, 13), matching=f"INSERT INTO .{AGENTS}"
    )
    answer, runs = write()
    assert (found(server, answer), runs) == (PRIMARY, 2)


@pytest.mark.parametrize("key", [None, "k"])
def test_a_commit_that_is_the_victim_is_done_again(server, write, key):
    server.fail("commit_before", "error", times=1, error=DEADLOCK)
    answer, runs = write(key=key)
    assert (found(server, answer), runs) == (PRIMARY, 2)


def test_nor_is_what_comes_after_such_a_commit_lost(server, write):
    server.fail("commit_before", "error", times=1, error=DEADLOCK)
    with contextlib.suppress(Error):
        write("Grace")
    assert found(server, write()[0]) == PRIMARY


@pytest.mark.parametrize("number", [1205, 1222])
def test_who_is_always_the_victim_hears_of_it(server, write, number):
    server.fail("execute", "error", error=says(number, 13), matching=f"INSERT INTO .{AGENTS}")
    with within(AT_ONCE), pytest.raises(Busy, match=f"too busy .{number}.; this was not done"):
        write(key="k")
    assert nothing_is_written(server)
    server.clear()
    answer, runs = write(key="k")
    assert (found(server, answer), runs) == (PRIMARY, 1)


@pytest.mark.parametrize("number", [3906, 9002, 1105])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_primary_that_takes_no_writes_is_left_without_asking_it(server, write, number, key):
    write("Grace")
    server.log.clear()
    server.fail("execute", "error", error=says(number, 17), matching="INSERT INTO")
    with within(AT_ONCE):
        answer, _ = write(key=key)
    assert (found(server, answer), server.log.logins) == (COPY, [])


@pytest.mark.parametrize("number", [3906, 9002, 1105])
def test_a_primary_that_takes_no_writes_is_still_read(server, page, number):
    server.fail("execute", "error", error=says(number, 17), matching="INSERT INTO")
    assert (page(), mode()) == (["primary"], "primary")


@pytest.mark.parametrize(
    ("number", "severity"), [(40197, 16), (40613, 17), (6005, 14), (596, 21), (983, 14)]
)
def test_an_error_of_the_moment_is_got_over(server, write, number, severity):
    server.fail("execute", "error", times=1, error=says(number, severity), matching=AGENTS)
    with within(AT_ONCE):
        answer, runs = write()
    assert (found(server, answer), runs) == (PRIMARY, 2)


@pytest.mark.parametrize(
    ("number", "severity"), [(40197, 16), (40613, 17), (6005, 14), (596, 21), (983, 14)]
)
def test_an_error_that_everybody_gets_is_an_outage(server, write, number, severity):
    server.fail("execute", "error", error=says(number, severity))
    with within(AT_ONCE):
        answer, _ = write()
    assert found(server, answer) == COPY


@pytest.mark.parametrize("number", [40613, 40197, 983, 976, 18401, 17142])
def test_a_server_that_ends_its_sessions_and_lets_nobody_in_is_an_outage(server, write, number):
    """As when a replica is no longer the primary one, or the database moves."""
    write("Grace")
    server.kill_connections()
    server.fail("login", "error", error=says(number, 14))
    with within(AT_ONCE):
        answer, _ = write()
    assert found(server, answer) == COPY


def changed_password(server):
    server.password = "changed-on-the-server"


def missing_database(server):
    server.script[r"sys\.databases"] = Result("SELECT", ["state_desc"], [])
    server.database = "elsewhere"


def database_without_access(server):
    server.script[r"sys\.databases"] = Result("SELECT", ["state_desc"], [("ONLINE",)])
    server.database = "elsewhere"


MISTAKES = [(changed_password, 18456), (missing_database, 4060), (database_without_access, 4060)]


@pytest.mark.parametrize(("happens", "number"), MISTAKES)
def test_a_login_that_is_refused_for_good_is_told_and_moves_nobody(
    server, write, page, caplog, happens, number
):
    happens(server)
    for call in (write, page):
        log_everybody_out()
        with within(AT_ONCE), pytest.raises(Error, match=f"({number})"):
            call()
    assert nothing_is_written(server)
    assert failover.look().is_configuration
    assert f"SQL Server refuses this host ({number}); `databases doctor`" in caplog.text


@pytest.mark.parametrize(("happens", "number"), MISTAKES)
def test_nor_does_it_if_those_who_were_in_were_thrown_out(server, write, caplog, happens, number):
    write("Grace")
    happens(server)
    server.kill_connections()
    with within(AT_ONCE), pytest.raises(Error, match=f"({number})"):
        write()
    assert nothing_is_written(server)
    assert f"SQL Server refuses this host ({number}); `databases doctor`" in caplog.text


@pytest.mark.parametrize("state", ["OFFLINE", "RECOVERING", "RECOVERY_PENDING", "SUSPECT"])
def test_a_database_that_is_not_online_is_an_outage(server, write, state):
    server.script[r"sys\.databases"] = Result("SELECT", ["state_desc"], [(state,)])
    server.database = "elsewhere"
    log_everybody_out()
    with within(AT_ONCE):
        answer, _ = write()
    assert found(server, answer) == COPY


@pytest.mark.parametrize("number", [229, 208, 547])
def test_a_permission_or_an_object_that_is_missing_moves_nobody(server, write, number):
    server.fail("execute", "error", error=says(number, 14), matching=f"INSERT INTO .{AGENTS}")
    with within(AT_ONCE), pytest.raises(Error, match=f"says with {number}"):
        write()
    assert nothing_is_written(server)


def test_a_server_short_of_memory_is_left_alone_for_a_second(server, write, monkeypatch):
    waits = []
    monkeypatch.setattr(failover.time, "sleep", waits.append)
    server.fail("execute", "error", times=1, error=says(701, 17), matching=AGENTS)
    answer, runs = write()
    assert (found(server, answer), runs, waits) == (PRIMARY, 2, [1.0])


def test_a_server_that_stays_short_of_memory_is_left(server, write, monkeypatch):
    waits = []
    monkeypatch.setattr(failover.time, "sleep", waits.append)
    server.fail("execute", "error", error=says(701, 17), matching=AGENTS)
    answer, _ = write()
    assert (found(server, answer), waits) == (COPY, [1.0] * failover.RETRIES)


def test_a_marker_that_is_there_means_that_it_was_done(server, write):
    first, _ = write(key="k")
    assert write(key="k") == (first, 0)
    assert found(server, first) == PRIMARY


def test_a_doubled_row_that_is_no_marker_is_the_callers_affair(server, write):
    doubled = (2627, 1, 14, "Violation of PRIMARY KEY constraint.")
    server.fail("execute", "error", error=doubled, matching=f"INSERT INTO .{AGENTS}")
    with within(AT_ONCE), pytest.raises(Error, match="Violation of PRIMARY KEY"):
        write()
    assert nothing_is_written(server)


# --- commits that nobody can tell anything of -----------------------------------------------------
@pytest.mark.parametrize("key", [None, "k"])
def test_a_commit_that_never_ends_is_told_and_not_done_a_second_time(server, write, key):
    with server.fail("commit_before", "hang"):
        with within(WAITING), pytest.raises(Unavailable, match="the same key"):
            write(key=key)
        assert nothing_is_written(server)
    assert becomes_true(lambda: len(ids(server)[0]) == 1)


def test_a_commit_that_was_carried_out_late_is_the_answer_to_its_key(server, write):
    with server.fail("commit_before", "hang"), pytest.raises(Unavailable):
        write(key="k")
    assert becomes_true(lambda: len(ids(server)[0]) == 1)
    answer, runs = write(key="k")
    assert (found(server, answer), runs) == (PRIMARY, 0)


def test_a_commit_that_was_lost_late_is_done_for_its_key(server, write):
    with server.fail("commit_before", "hang"):
        with pytest.raises(Unavailable):
            write(key="k")
        server.kill_connections()
        assert becomes_true(lambda: server.open_connections == 0)
    answer, runs = write(key="k")
    assert (found(server, answer), runs) == (PRIMARY, 1)


@contextmanager
def gone_once_it_hangs(server):
    """A commit hangs, and from then on nobody gets in."""
    hanging = server.fail("commit_before", "hang", times=1)

    def end():
        hanging.hit.wait(WAITING)
        server.fail("connect", "refuse")

    thread = threading.Thread(target=end)
    thread.start()
    try:
        with within(WAITING):
            yield hanging
    finally:
        thread.join()


LATE = pytest.mark.parametrize("late", [True, False], ids=["carried-out-late", "lost"])


def settle(server, hanging, *, late):
    """The commit that hung is carried out after all, or is not."""
    if not late:
        server.kill_connections()
        assert becomes_true(lambda: server.open_connections == 0)
    hanging.clear()
    assert becomes_true(lambda: server.store.count(MARKERS) == late)


def digests(server):
    """Of the unit's changes: on the primary, on the copy."""
    stored = server.store.run(f"SELECT ChangesDigest FROM {MARKERS}")
    return [row[0] for row in stored], [m.changes for m in UnitMarker.objects.using("sqlite").all()]


@LATE
@pytest.mark.parametrize("key", [None, "k"])
def test_a_commit_that_hangs_before_the_server_is_gone_is_done_on_the_copy_under_the_same_id(
    server, write, key, late
):
    with gone_once_it_hangs(server) as hanging:
        answer, _ = write(key=key)
    assert found(server, answer) == COPY
    settle(server, hanging, late=late)
    assert found(server, answer) == (BOTH if late else COPY)


def test_two_runs_that_did_the_same_leave_the_same_digest(server, write):
    with gone_once_it_hangs(server) as hanging:
        write()
    settle(server, hanging, late=True)
    [stored], [copied] = digests(server)
    assert stored == copied != ""


@LATE
def test_a_run_that_found_other_rows_is_the_one_that_was_answered(server, system, late):
    """What is written depends on how many agents there are, and the copy has none."""
    Agent.objects.using("mssql").bulk_create([agent("Grace")])

    def work(unit):
        return rows.insert(agent(f"A{Agent.objects.count()}")).name

    with gone_once_it_hangs(server) as hanging:
        assert run_in_unit(work, actor=system, operation="count", key="k") == "A0"
    settle(server, hanging, late=late)
    (none, [copied]), (stored, twice) = ids(server, "A0"), ids(server, "A1")
    assert (none, stored, twice) == ([], [copied] * late, [])
    stored, copied = digests(server)
    assert stored != copied


# --- certificates ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    from tests.tds.tls import Authority

    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secured(driver, tmp_path, monkeypatch, authority):
    """Its certificate is one of an authority that the driver trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with complete_company(tmp_path, monkeypatch, tls=authority.issue("localhost")) as endpoint:
        yield endpoint


def self_signed(authority):
    return authority.self_signed("localhost")


def for_another_name(authority):
    return authority.issue("elsewhere.test")


CERTIFICATES = [
    (self_signed, "certificate verify failed:self-signed certificate"),
    (for_another_name, "certificate verify failed:subject name does not match host name"),
]


def test_a_trusted_certificate_is_no_obstacle(secured, write):
    assert found(secured, write()[0]) == PRIMARY
    assert failover.look().is_good
    assert all(login.encrypted for login in secured.log.logins)


@pytest.mark.parametrize(("issued", "words"), CERTIFICATES)
def test_a_certificate_that_is_not_trusted_is_a_mistake_and_no_outage(
    secured, write, authority, caplog, issued, words
):
    secured.tls = issued(authority)
    log_everybody_out()
    with within(LOGGING_IN), pytest.raises(Error, match=words):
        write()
    assert nothing_is_written(secured)
    assert "SQL Server refuses this host (certificate verify failed)" in caplog.text
    assert "`databases doctor`" in caplog.text


@pytest.mark.parametrize(("issued", "words"), CERTIFICATES)
def test_probe_and_doctor_agree_about_a_certificate(secured, authority, issued, words):
    secured.tls = issued(authority)
    assert failover.look().is_configuration
    *_, finding = examine()
    assert (finding.about, "the certificate" in finding.fix) == ("login", True)


@pytest.mark.parametrize("how", ["refuse", "fin", "rst", "hang"])
@pytest.mark.parametrize("once", [False, True], ids=["always", "once"])
def test_a_break_while_encryption_is_agreed_on_is_one_in_the_login(secured, write, how, once):
    (wanted, _), longest = expected(("login", how), once), LOGGING_IN
    with fail(secured, "tls", how, once=once), within(longest):
        answer, _ = write()
    assert found(secured, answer) == wanted


@pytest.mark.parametrize("how", ["rst", "hang"])
def test_encryption_changes_nothing_about_a_commit(secured, write, how):
    with fail(secured, "commit_after", how, once=False), within(WAITING):
        answer, _ = write()
    assert found(secured, answer) == PRIMARY


# --- the login ------------------------------------------------------------------------------------
def test_nobody_asks_to_be_only_a_reader(server, write, page):
    log_everybody_out()
    write()
    page()
    failover.look()
    assert [login.read_only_intent for login in server.log.logins] == [False] * 3


def test_a_wish_for_multi_subnet_failover_is_the_drivers_own_and_changes_no_login(
    driver, tmp_path, monkeypatch, write
):
    with complete_company(tmp_path, monkeypatch, MultiSubnetFailover="yes") as server:
        assert found(server, write()[0]) == PRIMARY
        assert {login.flags for login in server.log.logins} == {server.log.logins[0].flags}


# --- many -----------------------------------------------------------------------------------------
THREADS, UNITS, FAULTS, ROUNDS = 4, 1000, 100, 25
# Two of them last as long as a round; the others strike whoever comes first. A hang is a delay, or
# longer than a statement may take.
LASTING = [("connect", "refuse"), ("connect", "drop")]
STRIKING = [
    (phase, how)
    for phase in (
        "connect",
        "prelogin",
        "login",
        "execute",
        "fetch",
        "commit_before",
        "commit_after",
    )
    for how in ("fin", "rst", "hang", "error")
    if (phase, how) not in {("connect", "error"), ("prelogin", "error")}
]
ERRORS = [says(40197), says(6005, 14), says(596, 21), says(9001, 17), says(1205, 13)]
REFUSALS = [says(40613, 14), says(983, 14), says(18401, 14)]
HANGS_S = [0.2, QUERY_S + 0.2]


def drawn(random, number):
    """The fault with this number: all kinds take turns, a round has a lasting one now and then."""
    if number % 20 == 19:
        return random.choice(LASTING), {}
    phase, how = STRIKING[number % len(STRIKING)]
    errors = {"login": REFUSALS, "execute": ERRORS, "fetch": ERRORS}.get(phase, ERRORS)
    seconds = random.choice(HANGS_S) if how == "hang" else None
    return (phase, how), {"times": 1, "error": random.choice(errors), "seconds": seconds}


def lead_home(server):
    """By hand, as if what the copy holds had been replayed."""
    server.clear()
    if mode() != "primary":
        copy = connections["sqlite"]
        journal.forget(copy, [entry.sequence for entry in journal.entries(copy, limit=100_000)])
        log_everybody_out()
        switching.to_primary("for the next round")


def write_many(write, names, answers, before):
    """In this thread, every other one with a key; what is raised is an answer too."""
    for name, key in zip(names, cycle([None, "k"]), strict=False):
        before(name)
        try:
            answers[name] = write(name, key=key and name)[0]
        except Exception as error:
            answers[name] = error
    connections.close_all()


def test_a_hundred_faults_in_a_thousand_units_lose_nothing_and_double_nothing(
    server, write, monkeypatch
):
    monkeypatch.setattr(failover, "FRESH_S", 0.25)
    random, answers, struck = Random(7), {}, []
    names = [f"A{number}" for number in range(UNITS)]
    met = iter([drawn(random, number) for number in range(FAULTS)])
    size = UNITS // ROUNDS
    for begun in range(0, UNITS, size):
        those = names[begun : begun + size]
        faults = dict(zip(random.sample(those, FAULTS // ROUNDS), met, strict=False))

        def before(name, faults=faults):
            if name in faults:
                (phase, how), details = faults[name]
                if phase in BEFORE_LOGIN:
                    log_everybody_out()
                struck.append(server.fail(phase, how, **details))

        threads = [
            threading.Thread(target=write_many, args=(write, those[n::THREADS], answers, before))
            for n in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lead_home(server)
    assert [answer for answer in answers.values() if not isinstance(answer, str)] == []
    assert (len(answers), len(set(answers.values())), len(struck)) == (UNITS, UNITS, FAULTS)
    assert sum(fault.struck for fault in struck) > FAULTS / 2
    for name, answer in answers.items():
        on_primary, on_copy = ids(server, name)
        assert {*on_primary, *on_copy} == {answer}
        assert max(len(on_primary), len(on_copy)) == 1
    whole(server)


def whole(server):
    """No unit is there by halves: as many rows of history, and as many markers, as agents."""
    stored = server.store.count(AGENTS)
    assert (server.store.count(HISTORY), server.store.count(MARKERS)) == (stored, stored)
    copied = Agent.objects.using("sqlite").count()
    assert Agent.history.model.objects.using("sqlite").count() == copied
    assert UnitMarker.objects.using("sqlite").count() == copied
