"""TLS as the real driver does it, against certificates that are right and wrong."""

import dataclasses
import time
from contextlib import contextmanager

import pytest

from tests.tds import driver
from tests.tds.client import LOGIN_S, MARKS, Client, seen
from tests.tds.endpoint import Endpoint
from tests.tds.tls import Authority

pytestmark = MARKS
REFUSED = ("08001", -1, "SQLDriverConnect")

# What the driver says if the handshake fails so; for one that hangs it has no timeout.
HANDSHAKES = {
    "refuse": ("08001", 104),
    "fin": ("08001", 10054),
    "rst": ("08001", 104),
    "hang": None,
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(monkeypatch, authority):
    """The driver's OpenSSL reads the variable anew for each connection."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


@contextmanager
def endpoint_with(tls):
    with Endpoint(tls=tls) as endpoint, Client(endpoint) as connect:
        yield endpoint, connect


def refusal(connect, **keywords):
    with pytest.raises(driver.register().OperationalError) as caught:
        connect(**keywords)
    return caught.value.args


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_a_trusted_authority_is_accepted(authority):
    with endpoint_with(authority.issue("localhost")) as (endpoint, connect):
        assert connect().execute("SELECT 1").fetchval() == 1
        assert endpoint.log.logins[0].encrypted


def test_an_authority_that_nobody_trusts_is_refused(authority):
    with endpoint_with(authority.issue("localhost")) as (endpoint, connect):
        state, text = refusal(connect)
    assert state == "08001"
    assert "certificate verify failed:unable to get local issuer certificate" in text
    assert (len(endpoint.log.tls_refusals), endpoint.log.logins) == (1, [])


@pytest.mark.usefixtures("trusted")
def test_a_self_signed_certificate_is_refused(authority):
    with endpoint_with(authority.self_signed("localhost")) as (_, connect):
        state, text = refusal(connect)
    assert state == "08001"
    assert "certificate verify failed:self-signed certificate" in text


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_refused(authority):
    with endpoint_with(authority.issue("elsewhere.test")) as (_, connect):
        state, text = refusal(connect)
        assert connect(HostnameInCertificate="elsewhere.test")
    assert state == "08001"
    assert "certificate verify failed:subject name does not match host name" in text


@pytest.mark.usefixtures("trusted")
def test_an_address_is_not_looked_for_in_the_certificate(authority):
    """Reached by its address a server needs HostnameInCertificate, whatever it was issued for."""
    with endpoint_with(authority.issue("127.0.0.1", "localhost")) as (endpoint, connect):
        state, text = refusal(connect, SERVER=f"127.0.0.1,{endpoint.port}")
    assert state == "08001"
    assert "subject name does not match host name" in text


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("way", ["refuse", "fin", "rst"])
def test_a_handshake_that_breaks(authority, way):
    with endpoint_with(authority.issue("localhost")) as (endpoint, connect):
        with endpoint.fail("tls", way):
            assert seen(connect) == (*HANDSHAKES[way], "SQLDriverConnect")
        assert connect()


@pytest.mark.usefixtures("trusted")
def test_a_handshake_that_hangs_is_waited_for_beyond_the_login_timeout(authority):
    started, hang = time.monotonic(), LOGIN_S + 0.5
    with endpoint_with(authority.issue("localhost")) as (endpoint, connect):
        endpoint.fail("tls", "hang", seconds=hang)
        assert connect()
    assert time.monotonic() - started >= hang


def test_whoever_trusts_any_certificate_gets_one(authority):
    with endpoint_with(authority.self_signed("elsewhere.test")) as (endpoint, connect):
        connect(TrustServerCertificate="yes")
        assert endpoint.log.logins[0].encrypted


def test_without_encryption_the_login_alone_is_encrypted_and_nothing_verified(authority):
    tls = dataclasses.replace(authority.self_signed("localhost"), mode="login")
    with endpoint_with(tls) as (endpoint, connect):
        assert connect(Encrypt="no").execute("SELECT 1").fetchval() == 1
        assert endpoint.log.logins[0].encrypted


def test_a_server_that_requires_encryption_gets_it_and_is_verified(authority):
    tls = dataclasses.replace(authority.self_signed("localhost"), mode="required")
    with endpoint_with(tls) as (_, connect):
        assert seen(lambda: connect(Encrypt="no")) == REFUSED


def test_a_server_without_tls_is_refused_by_a_client_that_wants_it():
    with endpoint_with(None) as (_, connect):
        assert seen(lambda: connect(Encrypt="yes")) == ("08001", 20, "SQLDriverConnect")


def test_a_transaction_and_a_fault_are_the_same_through_tls(authority):
    with endpoint_with(authority.self_signed("localhost")) as (endpoint, connect):
        endpoint.store.run("CREATE TABLE unit (id int NOT NULL PRIMARY KEY)")
        connection = connect(TrustServerCertificate="yes")
        connection.execute("INSERT INTO unit VALUES (?)", 1)
        with endpoint.fail("commit_after", "rst"):
            assert seen(connection.commit) == ("08S01", 104, "SQLEndTran")
        assert endpoint.store.count("unit") == 1
