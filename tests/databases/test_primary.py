import copy
import os
import pprint

import pytest
from django.core.exceptions import ImproperlyConfigured

from rodcorp.databases.primary import VARIABLES, primary_settings, quote, session_sql
from tests.databases.live import connection_to_server, needs_server

SECRET = "c0rrect;horse{battery}staple"
MINIMAL = {
    "MSSQL_HOST": "db.example",
    "MSSQL_DATABASE": "company",
    "MSSQL_USER": "rodcorp",
    "MSSQL_PASSWORD": SECRET,
}


def made(**changes):
    return primary_settings({**MINIMAL, **changes})


def parameters(**changes):
    return dict(
        part.split("=", 1) for part in made(**changes)["OPTIONS"]["extra_params"].split(";")
    )


@pytest.mark.parametrize("env", [{}, {"MSSQL_HOST": ""}, {"MSSQL_HOST": " "}])
def test_without_a_host_there_is_no_primary(env):
    assert primary_settings({**MINIMAL, "MSSQL_HOST": "", **env}) is None


def test_the_settings_say_where_and_who():
    settings = made(MSSQL_PORT="14330")
    assert (settings["ENGINE"], settings["HOST"], settings["PORT"]) == (
        "rodcorp.databases.backend",
        "db.example",
        "14330",
    )
    assert (settings["NAME"], settings["USER"]) == ("company", "rodcorp")
    assert settings["PASSWORD"] == SECRET


def test_it_is_encrypted_and_verified_unless_told_otherwise():
    assert parameters()["Encrypt"] == "yes"
    assert parameters()["TrustServerCertificate"] == "no"
    assert parameters(MSSQL_TRUST_SERVER_CERTIFICATE="1")["TrustServerCertificate"] == "yes"
    assert parameters(MSSQL_ENCRYPT="Strict")["Encrypt"] == "strict"
    assert parameters(MSSQL_ENCRYPT="no")["Encrypt"] == "no"


def test_nothing_retries_but_the_engine():
    assert made()["OPTIONS"]["connection_retries"] == 0
    assert parameters()["ConnectRetryCount"] == "0"


def test_one_statement_at_a_time_and_no_rows_from_a_bulk_insert():
    assert parameters()["MARS_Connection"] == "no"
    assert made()["OPTIONS"]["return_rows_bulk_insert"] is False


def test_connecting_and_asking_are_bounded():
    options = made(MSSQL_CONNECT_TIMEOUT="2", MSSQL_QUERY_TIMEOUT="7")["OPTIONS"]
    assert (options["connection_timeout"], options["query_timeout"]) == (2, 7)
    assert made()["OPTIONS"]["connection_timeout"] > 0
    assert made()["OPTIONS"]["query_timeout"] > 0


def test_times_are_written_as_they_are_and_tests_need_no_default():
    assert made()["TIME_ZONE"] is None
    assert made()["TEST"]["DEPENDENCIES"] == []


def test_a_listener_over_several_subnets_is_asked_for_all():
    assert parameters()["MultiSubnetFailover"] == "no"
    assert parameters(MSSQL_MULTI_SUBNET_FAILOVER="yes")["MultiSubnetFailover"] == "yes"


def test_a_lock_is_waited_for_less_long_than_a_query():
    assert session_sql(made(MSSQL_LOCK_TIMEOUT="1.5")) == (
        "SET XACT_ABORT ON; SET LOCK_TIMEOUT 1500;"
    )
    for value in ("10", "11", "0", "-1", "soon", "nan"):
        with pytest.raises(ImproperlyConfigured, match=r"LOCK_TIMEOUT.*MSSQL_QUERY_TIMEOUT"):
            made(MSSQL_LOCK_TIMEOUT=value, MSSQL_QUERY_TIMEOUT="10")


def test_a_connection_goes_back_to_the_pool_after_each_request_without_a_look():
    assert made()["CONN_MAX_AGE"] == 0
    assert made()["CONN_HEALTH_CHECKS"] is False


def test_the_number_of_connections_is_bounded():
    assert made(MSSQL_MAX_CONNECTIONS="3")["LIMITS"]["max_connections"] == 3


@pytest.mark.parametrize("variable", ["MSSQL_DATABASE", "MSSQL_USER", "MSSQL_PASSWORD"])
def test_a_missing_piece_is_named(variable):
    with pytest.raises(ImproperlyConfigured, match=variable):
        made(**{variable: ""})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MSSQL_PORT", "0"),
        ("MSSQL_PORT", "65536"),
        ("MSSQL_PORT", "1433;Encrypt=no"),
        ("MSSQL_PORT", "²"),
        ("MSSQL_CONNECT_TIMEOUT", "0"),
        ("MSSQL_QUERY_TIMEOUT", "1.5"),
        ("MSSQL_MAX_CONNECTIONS", "0"),
        ("MSSQL_ENCRYPT", "maybe"),
        ("MSSQL_TRUST_SERVER_CERTIFICATE", "strict"),
        ("MSSQL_MULTI_SUBNET_FAILOVER", "2"),
        ("MSSQL_HOST", "db.example,1433"),
        ("MSSQL_HOST", "db;Encrypt=no"),
        ("MSSQL_HOST", "db\\INSTANCE"),
        ("MSSQL_DATABASE", "a\0b"),
        ("MSSQL_PASSWORD", "a\nb"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(variable, value):
    with pytest.raises(ImproperlyConfigured, match=variable):
        made(**{variable: value})


def test_an_instance_is_told_to_name_its_port():
    with pytest.raises(ImproperlyConfigured, match="MSSQL_PORT"):
        made(MSSQL_HOST="db\\INSTANCE")


@pytest.mark.parametrize(("ending", "kept"), [("\n", ""), ("\r\n", ""), ("", ""), (" \n", " ")])
def test_the_password_may_be_in_a_file(tmp_path, ending, kept):
    file = tmp_path / "password"
    file.write_bytes((SECRET + ending).encode())
    settings = made(MSSQL_PASSWORD="", MSSQL_PASSWORD_FILE=str(file))
    assert settings["PASSWORD"] == SECRET + kept


def test_a_password_file_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("gone", "empty", "binary"):
        with pytest.raises(ImproperlyConfigured, match="MSSQL_PASSWORD_FILE") as caught:
            made(MSSQL_PASSWORD="", MSSQL_PASSWORD_FILE=str(tmp_path / name))
        assert caught.value.__cause__ is None
    with pytest.raises(ImproperlyConfigured, match="not both"):
        made(MSSQL_PASSWORD_FILE=str(tmp_path / "empty"))


def test_the_password_is_in_no_printed_settings():
    settings = copy.deepcopy(made())
    for text in (repr(settings), pprint.pformat(settings), str(settings), f"{settings}"):
        assert SECRET not in text
        assert "***" in text
    assert settings["PASSWORD"] == SECRET


def test_no_error_repeats_the_password():
    for changes in ({"MSSQL_PASSWORD_FILE": "x"}, {"MSSQL_PASSWORD": SECRET + "\n"}):
        with pytest.raises(ImproperlyConfigured) as caught:
            made(**changes)
        assert SECRET not in str(caught.value)


def test_a_certificate_is_matched_only_when_it_would_be_looked_at(tmp_path):
    file = tmp_path / "server.pem"
    file.touch()
    strict = {"MSSQL_ENCRYPT": "strict", "MSSQL_SERVER_CERTIFICATE": str(file)}
    assert parameters(**strict)["ServerCertificate"] == str(file)
    with pytest.raises(ImproperlyConfigured, match="strict"):
        made(MSSQL_SERVER_CERTIFICATE=str(file))
    with pytest.raises(ImproperlyConfigured, match="MSSQL_SERVER_CERTIFICATE"):
        made(MSSQL_ENCRYPT="strict", MSSQL_SERVER_CERTIFICATE=str(tmp_path / "gone"))
    with pytest.raises(ImproperlyConfigured, match="MSSQL_TRUST_SERVER_CERTIFICATE"):
        made(MSSQL_TRUST_SERVER_CERTIFICATE="yes", **strict)


def test_the_name_in_the_certificate_cannot_smuggle_an_option_in():
    extra = made(MSSQL_HOST_NAME_IN_CERTIFICATE="x;TrustServerCertificate=yes")
    assert extra["OPTIONS"]["extra_params"].endswith(
        "HostNameInCertificate={x;TrustServerCertificate=yes}"
    )


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("plain-1", "plain-1"), ("a;b", "{a;b}"), ("a}b", "{a}}b}"), ("{", "{{}"), (" a", "{ a}")],
)
def test_values_are_quoted_as_odbc_reads_them(value, quoted):
    assert quote(value) == quoted


@pytest.mark.tsql_driver
@pytest.mark.parametrize("password", ["a;b", "{a", "a}b", "{a};b", "a}}", "};UID=sa;x={", "a=b"])
def test_the_backend_writes_such_passwords_as_they_were_meant(password):
    try:
        from mssql import base
    except ImproperlyConfigured as error:
        if os.environ.get("RODCORP_REQUIRE_ALL") == "1":
            raise
        pytest.skip(f"NOT TESTED: quoting of passwords ({error})")
    text = base.encode_connection_string({"PWD": made(MSSQL_PASSWORD=password)["PASSWORD"]})
    assert base.DatabaseWrapper._parse_extra_params(text) == {"pwd": password}


def test_every_variable_is_listed():
    asked = set()

    class Env(dict):
        def get(self, name, default=None):
            asked.add(name)
            return super().get(name, default)

    primary_settings(Env(MINIMAL))
    assert asked == set(VARIABLES)


class TestOnAServer:
    pytestmark = needs_server

    def test_it_connects_and_sets_the_session(self, django_db_blocker):
        changes = {"MSSQL_LOCK_TIMEOUT": "2.5"}
        with (
            connection_to_server(django_db_blocker, **changes) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(session_sql(connection.settings_dict))
            cursor.execute("SELECT DB_NAME(), @@LOCK_TIMEOUT, @@OPTIONS & 16384")
            assert cursor.fetchone() == (connection.settings_dict["NAME"], 2500, 16384)
