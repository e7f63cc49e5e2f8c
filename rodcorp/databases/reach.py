"""Does a SQL Server answer at this address? One TCP connection, one message, one deadline."""

import contextlib
import errno
import selectors
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from enum import StrEnum


class Reach(StrEnum):
    REACHABLE = "reachable"
    REFUSED = "refused"  # nobody listens there, or no route leads there
    TIMED_OUT = "timed out"  # no answer within the budget
    DROPPED = "dropped"  # the connection was ended before an answer
    NOT_TDS = "not SQL Server"  # something else answered
    NOT_STRICT = "no TDS 8"  # it answers, but not to TLS first
    LOCAL_FAULT = "local fault"  # this process has no socket or port left; says nothing of it
    UNRESOLVED = "unresolved"  # the host's name has no address


@dataclass(frozen=True)
class Reached:
    reach: Reach
    elapsed_s: float
    server_version: str = ""


class _Missed(Exception):
    def __init__(self, reach: Reach) -> None:
        super().__init__(reach)
        self.reach = reach


_LOCAL = frozenset({errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
Address = tuple[int, tuple[object, ...]]


def reach(host: str, port: int, *, budget_s: float, tls_first: bool = False) -> Reached:
    """`tls_first` is for `Encrypt=strict`, where TLS comes before SQL Server's first message."""
    begun = time.monotonic()
    deadline = begun + budget_s
    outcome, version = _attempt(host, port, deadline, tls_first=tls_first)
    if tls_first and outcome is Reach.DROPPED:
        # A server without TDS 8 hangs up on it; that is no outage.
        plain, _ = _attempt(host, port, deadline, tls_first=False)
        outcome = Reach.NOT_STRICT if plain is Reach.REACHABLE else outcome
    return Reached(outcome, time.monotonic() - begun, version)


def _attempt(host: str, port: int, deadline: float, *, tls_first: bool) -> tuple[Reach, str]:
    try:
        with contextlib.closing(_connect(_resolve(host, port, deadline), deadline)) as link:
            if not tls_first:
                return Reach.REACHABLE, _prelogin(link, deadline)
            with contextlib.closing(_in_tls(link, deadline)) as secured:
                return Reach.REACHABLE, _prelogin(secured, deadline)
    except _Missed as missed:
        return missed.reach, ""
    except TimeoutError:
        return Reach.TIMED_OUT, ""
    except OSError:
        return Reach.DROPPED, ""


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _resolve(host: str, port: int, deadline: float) -> list[Address]:
    """The resolver knows no timeout, so a name is looked up beside; an address costs nothing."""
    found: list[list[Address]] = []

    def look_up(flags: int = 0) -> None:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
        found.append([(family, address) for family, _, _, _, address in answers])

    with contextlib.suppress(OSError):
        look_up(socket.AI_NUMERICHOST)
        return found[0]

    def look_up_name() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            look_up()

    thread = threading.Thread(target=look_up_name, daemon=True)
    thread.start()
    thread.join(_left(deadline))
    if thread.is_alive():
        raise TimeoutError
    if not found:
        raise _Missed(Reach.UNRESOLVED)
    return found[0]


def _connect(addresses: list[Address], deadline: float) -> socket.socket:
    """The first of all addresses that accepts. They are tried at once: an availability group's
    name has one address for each subnet, and only one of them is alive."""
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as losers:
        for family, address in addresses:
            link = _socket(family)
            if link is None:
                continue
            losers.callback(link.close)
            failed = link.connect_ex(address)
            if failed in _LOCAL:
                raise _Missed(Reach.LOCAL_FAULT)
            if failed in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                selector.register(link, selectors.EVENT_WRITE)
        outcome = Reach.REFUSED
        while selector.get_map():
            for key, _ in selector.select(_left(deadline)):
                ready: socket.socket = key.fileobj  # type: ignore[assignment]
                selector.unregister(ready)
                failed = ready.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not failed:
                    return ready.dup()
                if failed == errno.ECONNRESET:
                    outcome = Reach.DROPPED
    raise _Missed(outcome)


def _socket(family: int) -> socket.socket | None:
    """None where this host does not speak that family at all, as IPv6 in many containers."""
    try:
        link = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise _Missed(Reach.LOCAL_FAULT) from error
    link.setblocking(False)
    return link


def _in_tls(link: socket.socket, deadline: float) -> socket.socket:
    """Unverified on purpose: nothing secret is sent, and the driver verifies before it logs in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["tds/8.0"])
    link.settimeout(_left(deadline))
    return context.wrap_socket(link)


def _request() -> bytes:
    """VERSION, ENCRYPTION (on), INSTANCE, THREAD and MARS (off), the five a driver sends."""
    options = [(0, bytes(6)), (1, b"\x01"), (2, b"\x00"), (3, bytes(4)), (4, b"\x00")]
    offset = 5 * len(options) + 1
    table, values = b"", b""
    for token, value in options:
        table += struct.pack(">BHH", token, offset + len(values), len(value))
        values += value
    payload = table + b"\xff" + values
    return struct.pack(">BBHHBB", 0x12, 0x01, 8 + len(payload), 0, 0, 0) + payload


def _prelogin(link: socket.socket, deadline: float) -> str:
    """The server's version, like 16.0.1000."""
    link.settimeout(_left(deadline))
    link.sendall(_request())
    kind, _, length = struct.unpack(">BBH", _read(link, 8, deadline)[:4])
    if kind != 0x04 or not 8 + 6 <= length <= 4096:
        raise _Missed(Reach.NOT_TDS)
    payload = _read(link, length - 8, deadline)
    token, offset, size = struct.unpack(">BHH", payload[:5])
    if token != 0 or size < 4 or offset + size > len(payload):
        raise _Missed(Reach.NOT_TDS)
    major, minor, build = struct.unpack(">BBH", payload[offset : offset + 4])
    return f"{major}.{minor}.{build}"


def _read(link: socket.socket, size: int, deadline: float) -> bytes:
    data = b""
    while len(data) < size:
        link.settimeout(_left(deadline))
        part = link.recv(size - len(data))
        if not part:
            raise _Missed(Reach.DROPPED)
        data += part
        if data[0] != 0x04 and size == 8:
            raise _Missed(Reach.NOT_TDS)  # do not wait for more of something else's greeting
    return data
