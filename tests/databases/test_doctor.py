import json
import socket
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from rodcorp.databases.doctor import examine
from rodcorp.databases.driver import DriverUnavailable
from rodcorp.databases.failures import Failure, Kind
from rodcorp.databases.primary import primary_settings
from rodcorp.databases.probe import Answer, ServerState
from rodcorp.databases.reach import Reach, Reached

pytestmark = pytest.mark.django_db

THERE = Reached(Reach.REACHABLE, 0.002, "16.0.1000")


@pytest.fixture
def configured(monkeypatch):
    """As if a SQL Server were configured, on a port nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    made = primary_settings(
        {
            "MSSQL_HOST": "127.0.0.1",
            "MSSQL_PORT": str(port),
            "MSSQL_DATABASE": "rodcorp",
            "MSSQL_USER": "u",
            "MSSQL_PASSWORD": "p-a-s-s",
        }
    )
    monkeypatch.setitem(settings.DATABASES, "mssql", made)

    class Driver:
        library = "/driver.so"

    monkeypatch.setattr("rodcorp.databases.doctor.register_driver", lambda where: Driver())


@pytest.fixture
def answers(configured, monkeypatch):
    """`answers(answer)`: what the probe would meet."""

    def answer(met):
        monkeypatch.setattr("rodcorp.databases.doctor.probe", lambda *args, **kwargs: met)
        monkeypatch.setattr(
            "rodcorp.databases.doctor._snapshots", lambda: pytest.fail("asked a server")
        )

    return answer


def wrong(until=20):
    found = []
    for finding in examine():
        if not finding.is_well:
            found.append(finding)
        if len(found) == until:
            break
    return found


def test_without_sql_server_all_is_well():
    findings = list(examine())
    assert [finding.about for finding in findings] == [
        "SQL Server",
        "schema of 'sqlite'",
        "schema of 'local'",
    ]
    assert all(finding.is_well for finding in findings)


def test_a_missing_driver_is_named_with_what_to_install(configured, monkeypatch):
    def missing(where):
        raise DriverUnavailable("apt install libodbc2")

    monkeypatch.setattr("rodcorp.databases.doctor.register_driver", missing)
    assert [finding.fix for finding in examine()] == ["apt install libodbc2"]


def test_a_closed_port_is_told_from_a_refused_login(configured):
    [finding] = wrong()
    assert finding.about == "network"
    assert "refused" in finding.said
    assert "MSSQL_PORT" in finding.fix


def test_a_refused_login_says_what_to_check(answers):
    answers(Answer(THERE, Failure(Kind.CONFIGURATION, "18456")))
    [finding] = wrong()
    assert (finding.about, finding.said) == ("login", "refused (18456)")
    assert "MSSQL_USER" in finding.fix


@pytest.mark.parametrize(
    ("state", "about"),
    [
        (ServerState(False, 0.1, 0.01, 0), "writing"),
        (ServerState(True, -5.0, 0.01, 0), "clock"),
        (ServerState(True, 0.0, 0.01, 60), "time zone"),
    ],
)
def test_what_is_wrong_inside_is_found(answers, state, about):
    answers(Answer(THERE, None, state))
    [finding] = wrong(until=1)
    assert finding.about == about


def test_a_slow_answer_is_not_taken_for_a_wrong_clock(answers):
    answers(Answer(THERE, None, ServerState(True, 3.0, 2.0, 60)))
    assert [finding.about for finding in wrong(until=1)] == ["time zone"]


def run(*arguments):
    out = StringIO()
    call_command("databases", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_ends_with_an_error_when_something_is_wrong(configured):
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("databases", "doctor", stdout=out)
    assert "WRONG network" in out.getvalue()
    assert "p-a-s-s" not in out.getvalue()


def test_the_doctor_for_programs_is_json():
    assert json.loads(run("doctor", "--json"))[0]["about"] == "SQL Server"


def test_the_status_says_where_the_data_is():
    assert "The company's data is in SQLite." in run("status")
    status = json.loads(run("status", "--json"))
    assert (status["database_type"], status["active"]) == ("SQLite", "sqlite")
    assert status["databases"]["local"]["schema"] == "up to date"
