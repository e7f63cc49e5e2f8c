"""A connection's bytes: whole messages in and out, in clear or through TLS, frozen on demand."""

import contextlib
import select
import socket
import ssl
import struct
import threading
import time

from tests.tds.faults import Gone
from tests.tds.protocol import HEADER, PRELOGIN, SMALLEST_PACKET, packets

SEND_LIMIT_S = 30
POLL_S = 0.02
# A test that forgot to bound its client fails then, instead of standing still for ever.
LONGEST_HANG_S = 60


class Wire:
    def __init__(self, sock: socket.socket, thawed: threading.Event) -> None:
        self.sock, self.thawed = sock, thawed
        self.killed = ""
        self.tls: ssl.SSLObject | None = None
        self.packet_size = SMALLEST_PACKET
        # A client that stops reading must not hold this thread for ever.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_LIMIT_S, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # --- messages -------------------------------------------------------------------------------
    def read(self) -> tuple[int, int, bytes]:
        """One message: its type, the status bits of its first packet, its content."""
        body, first = b"", None
        while True:
            kind, status, length = struct.unpack(">BBH4x", self._take(HEADER))
            first = status if first is None else first
            body += self._take(length - HEADER)
            if status & 1:
                self.hold()
                return kind, first, body

    def write(self, kind: int, payload: bytes, *, final: bool = True) -> None:
        self.hold()
        data = packets(kind, payload, self.packet_size, final=final)
        if self.tls:
            self.tls.write(data)
            data = self._outgoing.read()
        self._send(data)

    def readable(self, seconds: float) -> bool:
        if self.tls and (self.tls.pending() or self._incoming.pending):
            return True
        return bool(select.select([self.sock], [], [], seconds)[0])

    # --- TLS ------------------------------------------------------------------------------------
    def start_tls(self, context: ssl.SSLContext) -> None:
        """During the handshake the records travel inside PRELOGIN packets, later bare
        ([MS-TDS] 2.2.6.5 and 3.2.5.2)."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        finished = False
        while not finished:
            try:
                tls.do_handshake()
                finished = True
            except ssl.SSLWantReadError:
                pass
            if reply := self._outgoing.read():
                self._send(packets(PRELOGIN, reply, self.packet_size))
            if not finished:
                self._incoming.write(self.read()[2])
        self.tls = tls

    def stop_tls(self) -> None:
        """After a login that alone was encrypted."""
        self.tls = None

    # --- bytes ----------------------------------------------------------------------------------
    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self._some(count - len(data))
        return data

    def _some(self, count: int) -> bytes:
        if self.tls is None:
            return self._receive(count)
        while True:
            try:
                if data := self.tls.read(count):
                    return data
                raise Gone
            except ssl.SSLWantReadError:
                self._incoming.write(self._receive(65536))

    def _receive(self, count: int) -> bytes:
        try:
            data = self.sock.recv(count)
        except OSError as error:
            raise Gone(self.killed or "fin") from error
        if not data or self.killed:
            raise Gone(self.killed or "fin")
        return data

    def await_byte(self) -> None:
        """Until the client says something, which it may leave without."""
        try:
            data = self.sock.recv(1, socket.MSG_PEEK)
        except OSError as error:
            raise Gone(self.killed or "fin") from error
        if not data or self.killed:
            raise Gone(self.killed or "fin")

    def _send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone(self.killed or "fin") from error

    # --- the end --------------------------------------------------------------------------------
    def hold(self) -> None:
        """Stands still while the endpoint is frozen."""
        self.wait(self.thawed)

    def wait(self, event: threading.Event, seconds: float | None = None) -> None:
        """Until the event, the time or the connection's violent end."""
        deadline = time.monotonic() + (LONGEST_HANG_S if seconds is None else seconds)
        while not event.wait(POLL_S) and not self.killed:
            if time.monotonic() >= deadline:
                if seconds is None:
                    raise Gone
                break
        if self.killed:
            raise Gone(self.killed)

    def kill(self, how: str) -> None:
        """From another thread. SHUT_RD wakes the reader and sends nothing: the close does."""
        self.killed = how
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RD)

    def close(self, how: str) -> None:
        with contextlib.suppress(OSError):
            if how == "rst":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                # Unread input would turn the FIN into an RST.
                self.sock.shutdown(socket.SHUT_WR)
                self.sock.setblocking(False)
                while self.sock.recv(65536):
                    pass
        self.sock.close()
