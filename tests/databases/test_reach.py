import contextlib
import errno
import socket
import struct
import threading

import pytest

from rodcorp.databases import reach as reaching
from rodcorp.databases.reach import Reach, reach
from tests.processes import free_port

BUDGET_S = 0.3
ANSWER = bytes.fromhex(
    "0401002b0000000000001a00060100200001020021000103002200000400220001ff100003e80000010000"
)


@contextlib.contextmanager
def listening(behave, host="127.0.0.1", port=0):
    """A server on loopback that does `behave(connection)` once it was connected to."""
    done = threading.Event()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        behave(connection, done)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def hang(connection, done):
    done.wait(5)


def end(connection, done):
    pass


def reset(connection, done):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def answering(data):
    def behave(connection, done):
        connection.recv(4096)
        connection.sendall(data)

    return behave


def half_then_hang(connection, done):
    answering(ANSWER[:20])(connection, done)
    done.wait(5)


def dripping(connection, done):
    """Something with every read, but never enough."""
    for byte in ANSWER:
        connection.sendall(bytes([byte]))
        if done.wait(0.05):
            return


def greet(connection, done):
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    done.wait(5)


def test_a_server_that_answers_is_reachable():
    with listening(answering(ANSWER)) as port:
        found = reach("127.0.0.1", port, budget_s=BUDGET_S)
    assert (found.reach, found.server_version) == (Reach.REACHABLE, "16.0.1000")
    assert found.elapsed_s < BUDGET_S


def test_a_closed_port_is_refused_at_once():
    found = reach("127.0.0.1", free_port(), budget_s=30)
    assert found.reach is Reach.REFUSED
    assert found.elapsed_s < 5


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        (hang, Reach.TIMED_OUT),
        (half_then_hang, Reach.TIMED_OUT),
        (dripping, Reach.TIMED_OUT),
        (end, Reach.DROPPED),
        (reset, Reach.DROPPED),
        (answering(b""), Reach.DROPPED),
        (answering(ANSWER[:20]), Reach.DROPPED),
        (answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Reach.NOT_TDS),
        (greet, Reach.NOT_TDS),
        (answering(b"\x04\x01\xff\xff" + bytes(200)), Reach.NOT_TDS),
        (answering(b"\x04\x01\x00\x0e\0\0\0\0\xff" + bytes(5)), Reach.NOT_TDS),
        (answering(b"\x04\x01\x00\x0e\0\0\0\0\x00\x40\x00\x00\x06\xff"), Reach.NOT_TDS),
    ],
)
def test_every_other_answer_has_a_name(behave, expected):
    with listening(behave) as port:
        found = reach("127.0.0.1", port, budget_s=BUDGET_S)
    assert (found.reach, found.server_version) == (expected, "")


def test_the_budget_holds_for_all_steps_together():
    with listening(dripping) as port:
        found = reach("127.0.0.1", port, budget_s=BUDGET_S)
    assert BUDGET_S * 0.9 < found.elapsed_s < BUDGET_S * 3


def test_a_name_without_an_address_is_unresolved(monkeypatch):
    real = socket.getaddrinfo

    def look_up(host, *args, flags=0, **options):
        if flags or host != "db.invalid":
            return real(host, *args, flags=flags, **options)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(reaching.socket, "getaddrinfo", look_up)
    assert reach("db.invalid", 1433, budget_s=BUDGET_S).reach is Reach.UNRESOLVED


def test_a_resolver_that_hangs_uses_no_more_than_the_budget(monkeypatch):
    release = threading.Event()

    def look_up(host, *args, flags=0, **options):
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        release.wait(5)
        return []

    monkeypatch.setattr(reaching.socket, "getaddrinfo", look_up)
    found = reach("db.invalid", 1433, budget_s=BUDGET_S)
    release.set()
    assert found.reach is Reach.TIMED_OUT
    assert found.elapsed_s < BUDGET_S * 3


def test_of_several_addresses_the_one_alive_answers(monkeypatch):
    """As behind an availability group's name."""
    with listening(answering(ANSWER)) as port:
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", free_port())),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(reaching.socket, "getaddrinfo", lambda *args, **options: addresses)
        assert reach("listener", port, budget_s=BUDGET_S).reach is Reach.REACHABLE


def test_an_address_of_a_family_this_host_lacks_is_passed_over(monkeypatch):
    real = socket.socket

    def no_ipv6(family=socket.AF_INET, *args, **options):
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, *args, **options)

    with listening(answering(ANSWER)) as port:
        addresses = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(reaching.socket, "getaddrinfo", lambda *args, **options: addresses)
        monkeypatch.setattr(reaching.socket, "socket", no_ipv6)
        found = reach("db", port, budget_s=BUDGET_S)
        monkeypatch.undo()
    assert found.reach is Reach.REACHABLE


def test_a_probe_leaves_no_socket_open(monkeypatch):
    opened = []
    real = socket.socket

    class Counted(real):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            opened.append(self)

    with listening(answering(ANSWER)) as port:
        monkeypatch.setattr(reaching.socket, "socket", Counted)
        reach("127.0.0.1", port, budget_s=BUDGET_S)
        reach("127.0.0.1", free_port(), budget_s=BUDGET_S)
        monkeypatch.undo()
    assert len(opened) >= 2
    assert [link for link in opened if link.fileno() != -1] == []
