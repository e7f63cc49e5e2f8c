import json
import socket
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from rodcorp.databases import doctor
from rodcorp.databases.doctor import examine
from rodcorp.databases.driver import DriverUnavailable
from rodcorp.databases.failures import Failure, Kind
from rodcorp.databases.primary import primary_settings
from rodcorp.databases.probe import Answer, ServerState
from rodcorp.databases.reach import Reach, Reached
from rodcorp.databases.validation import Difference
from tests.tds import driver
from tests.tds.client import MARKS
from tests.tds.endpoint import Endpoint
from tests.tds.orm import registered
from tests.tds.tls import Authority
from tests.tds.tokens import Result, ServerError

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.sqlite_only("servers that are made up are examined, and none"),
]

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


def test_a_schema_that_differs_is_told_with_the_first_few(monkeypatch):
    differences = [
        Difference("Agents", column, "column", "int", "missing", "ALTER TABLE")
        for column in ("A", "B", "C", "D")
    ]
    monkeypatch.setattr(doctor, "validate", lambda alias: differences)
    finding = next(found for found in wrong() if found.about == "schema of 'sqlite'")
    assert finding.said.startswith("4 not as the models say: column of Agents.A (missing); ")
    assert "Agents.C" in finding.said
    assert "Agents.D" not in finding.said
    assert finding.fix == "Run: manage.py databases validate"


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
    assert json.loads(run("status", "--json"))["active"] == "sqlite"


# --- what only a session tells, through the real driver -------------------------------------------


def answer(*rows):
    """A script's answer: these rows."""
    columns = [f"c{number}" for number, _ in enumerate(rows[0])] if rows else ["c"]
    return lambda sql: Result("SELECT", columns, rows)


def permitted(*lacking):
    names = ("CREATE TABLE", *doctor._PERMISSIONS)
    return answer(("[app]", "[dbo]", *[int(name not in lacking) for name in names]))


def state(sql):
    return answer(("READ_WRITE", datetime.now(UTC).replace(tzinfo=None), 0))(sql)


HEALTHY = {
    "Updateability": state,
    "dm_exec_connections": answer(("TRUE",)),
    "HAS_PERMS_BY_NAME": permitted(),
    "snapshot_isolation_state": answer((1,)),
    "'Collation'": answer(("Latin1_General_CI_AS",)),
    "FROM sys.tables": answer(),
    "FROM sys.triggers": answer(),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("localhost")


@pytest.fixture
def session(certificate, django_db_blocker, monkeypatch):
    """`session({pattern: answer})`: the findings about a server that answers so, and otherwise as
    a healthy one without any table; by what they are about."""

    class Driver:
        library = "/driver.so"

    driver.register()
    monkeypatch.setattr(doctor, "register_driver", lambda where: Driver())
    monkeypatch.setattr(doctor, "aliases", lambda: ["sqlite"])
    # the file of the tests has no triggers of a copy
    for module in ("validation", "refusals"):
        monkeypatch.setattr(f"rodcorp.databases.{module}.has_primary", lambda: False)

    def findings(script=(), *, tls=certificate, **parameters):
        # the first pattern that fits answers
        answers = {**dict(script), **{p: a for p, a in HEALTHY.items() if p not in dict(script)}}
        parameters = parameters or {"TrustServerCertificate": "yes"}
        with (
            Endpoint(script=answers, tls=tls) as endpoint,
            django_db_blocker.unblock(),
            registered(endpoint, "mssql", **parameters),
        ):
            return {finding.about: finding for finding in examine()}

    return findings


class TestASession:
    pytestmark = MARKS

    def test_everything_is_looked_at_and_well(self, session):
        findings = session()
        assert list(findings) == [
            "driver",
            "network",
            "login",
            "writing",
            "clock",
            "time zone",
            "TLS",
            "permissions",
            "snapshot isolation",
            "collation",
            "schema of 'sqlite'",
        ]
        assert [finding for finding in findings.values() if not finding.is_well] == []

    def test_a_certificate_that_is_only_trusted_is_said(self, session):
        assert "is not verified (MSSQL_TRUST_SERVER_CERTIFICATE)" in session()["TLS"].said

    def test_a_verified_certificate_is_said(self, session, authority, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        found = session(TrustServerCertificate="no")["TLS"]
        assert (found.said, found.fix) == ("encrypted, and the certificate is verified", "")

    def test_no_encryption_is_wrong(self, session):
        found = session({"dm_exec_connections": answer(("FALSE",))}, tls=None)["TLS"]
        assert (found.said, found.fix) == ("not asked for; not encrypted", "Set MSSQL_ENCRYPT=yes.")

    def test_encryption_that_ends_on_the_way_is_wrong(self, session):
        found = session({"dm_exec_connections": answer(("FALSE",))})["TLS"]
        assert "MSSQL_HOST" in found.fix

    def test_a_login_that_may_not_see_its_connection_can_still_tell(self, session):
        refused = ServerError(300, "VIEW SERVER STATE permission was denied", severity=14)
        assert session({"dm_exec_connections": refused})["TLS"].is_well

    def test_permissions_that_lack_are_named_with_what_grants_them(self, session):
        lacking = permitted("CREATE TABLE", "ALTER", "REFERENCES")
        found = session({"HAS_PERMS_BY_NAME": lacking})["permissions"]
        assert found.said == "lacking: CREATE TABLE, ALTER, REFERENCES"
        assert "GRANT CREATE TABLE TO [app];" in found.fix
        assert "GRANT ALTER ON SCHEMA::[dbo] TO [app];" in found.fix

    def test_who_may_alter_a_table_may_see_its_definition(self, session):
        lacking = permitted("VIEW DEFINITION")
        assert session({"HAS_PERMS_BY_NAME": lacking})["permissions"].is_well

    def test_what_may_not_be_read_is_not_compared(self, session):
        findings = session({"HAS_PERMS_BY_NAME": permitted("SELECT")})
        assert not findings["permissions"].is_well
        assert "collation" not in findings

    def test_the_databases_own_collation_is_named(self, session):
        assert "Latin1_General_CI_AS" in session()["collation"].said

    def test_a_key_of_another_collation_is_wrong(self, session):
        name = ("AgentName", "nvarchar", 200, 0, 0, 0, None, "Latin1_General_CS_AS", 0, 0)
        column = answer(("GlobalAgentRegistry", *name))
        found = session({"sys.types": column})["collation"]
        assert "GlobalAgentRegistry.AgentName (Latin1_General_CS_AS)" in found.said
        assert "COLLATE Latin1_General_100_CI_AS_SC NOT NULL" in found.fix
