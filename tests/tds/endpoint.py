"""A TDS server on loopback that answers the real ODBC driver, and fails where it is told to.

with Endpoint() as endpoint:
    connection = pyodbc.connect(endpoint.connection_string)
    with endpoint.fail("commit_after", "rst"):
        ...
"""

import contextlib
import re
import select
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

from tests.tds import driver
from tests.tds.faults import Fault, How, Phase, Plan
from tests.tds.log import Log
from tests.tds.session import Session
from tests.tds.store import Store
from tests.tds.tls import Tls
from tests.tds.tokens import Result, ServerError
from tests.tds.wire import Wire

HOST = "127.0.0.1"
BACKLOG = 64
JOIN_S = 5

Scripted = Result | ServerError | Callable[[str], Result]


def _bound() -> socket.socket:
    """Bound to a port by its number: Linux gives a port that it chose itself away again when the
    socket stops listening."""
    while True:
        with socket.socket() as chosen:
            chosen.bind((HOST, 0))
            port = chosen.getsockname()[1]
        listener = socket.socket()
        # Connections that are just ending must not keep it from listening again.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            listener.close()
            continue
        return listener


class Endpoint:
    """`script` answers a batch that matches a regular expression, before the engine does. A `store`
    that is given survives the endpoint, as data survives a server's restart."""

    def __init__(
        self,
        *,
        script: Mapping[str, Scripted] | None = None,
        tls: Tls | None = None,
        store: Store | None = None,
        database: str = "scripted",
        user: str = "tester",
        password: str = "correct-horse-9",
    ) -> None:
        self.script = dict(script or {})
        self.tls, self.database, self.user, self.password = tls, database, user, password
        self.store, self.owns_store = store or Store(database), store is None
        self.log, self.plan = Log(), Plan()
        self.thawed, self.listening, self.closing = (threading.Event() for _ in range(3))
        self.resting = threading.Event()
        self.thawed.set()
        self.wires: dict[threading.Thread, Wire] = {}
        self.fillers: list[socket.socket] = []
        self.lock, self.listener_lock = threading.Lock(), threading.RLock()
        self.listener = _bound()
        self.port: int = self.listener.getsockname()[1]
        self.acceptor = threading.Thread(target=self._accept, name="tds-accept", daemon=True)

    def __enter__(self) -> Self:
        self.listen()
        self.acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.closing.set()
        self.clear()
        self.thaw()
        self.stop_listening()
        self.listening.set()
        self.acceptor.join(JOIN_S)
        self.kill_connections()
        with self.lock:
            threads = list(self.wires)
        for thread in threads:
            thread.join(JOIN_S)
        self.listener.close()
        if self.owns_store:
            self.store.close()

    # --- how to reach it ------------------------------------------------------------------------
    @property
    def host(self) -> str:
        """The driver compares host names only, never the addresses in a certificate."""
        return "localhost" if self.tls else HOST

    @property
    def connection_string(self) -> str:
        return self.connect_with()

    def connect_with(self, **keywords: str) -> str:
        """The connection string, with ODBC keywords changed or added."""
        parts = {
            "DRIVER": f"{{{driver.NAME}}}",
            "SERVER": f"{self.host},{self.port}",
            "DATABASE": self.database,
            "UID": self.user,
            "PWD": self.password,
            "Encrypt": "yes" if self.tls else "no",
            "ConnectRetryCount": "0",
            **keywords,
        }
        return ";".join(f"{name}={value}" for name, value in parts.items())

    def settings(
        self,
        *,
        engine: str = "rodcorp.databases.backend",
        login_s: int = 1,
        query_s: int = 1,
        most: int = 20,
        **extra: str,
    ) -> dict[str, Any]:
        """An entry of Django's DATABASES. Retries are off: mssql-django's block for 25 s. The
        engine `mssql` is mssql-django as it comes."""
        extra = {"Encrypt": "yes" if self.tls else "no", "ConnectRetryCount": "0", **extra}
        return {
            "ENGINE": engine,
            "NAME": self.database,
            "HOST": self.host,
            "PORT": str(self.port),
            "USER": self.user,
            "PASSWORD": self.password,
            "OPTIONS": {
                "driver": driver.NAME,
                "connection_timeout": login_s,
                "connection_retries": 0,
                "query_timeout": query_s,
                "extra_params": ";".join(f"{name}={value}" for name, value in extra.items()),
            },
            "LIMITS": {"lock_timeout_ms": 500, "max_connections": most},
        }

    # --- faults ---------------------------------------------------------------------------------
    def fail(self, phase: Phase, how: How, **details: Any) -> Fault:
        """In force until it is cleared, or the `with` block ends."""
        fault = Fault(phase, how, removal=self._removed, **details)
        self.plan.add(fault)
        if phase == "connect" and how == "refuse":
            self.stop_listening()
        elif how == "drop":
            self._drop()
        return fault

    def clear(self) -> None:
        for fault in self.plan.current():
            fault.clear()

    def _removed(self, fault: Fault) -> None:
        self.plan.remove(fault)
        if fault.how in ("refuse", "drop") and not self.closing.is_set():
            self.listen()

    def freeze(self) -> None:
        """As SIGSTOP would: the kernel still completes TCP handshakes, nobody answers."""
        self.thawed.clear()

    def thaw(self) -> None:
        self.thawed.set()

    def kill_connections(self, how: str = "rst") -> None:
        with self.lock:
            for wire in self.wires.values():
                wire.kill(how)

    @property
    def open_connections(self) -> int:
        with self.lock:
            return sum(thread.is_alive() for thread in self.wires)

    # --- the listener ---------------------------------------------------------------------------
    def listen(self) -> None:
        with self.listener_lock:
            self.stop_listening()
            for filler in self.fillers:
                filler.close()
            self.fillers.clear()
            self.listener.listen(BACKLOG)
            self.listening.set()

    def stop_listening(self) -> None:
        """Connects are refused. The socket stays bound, so that nobody else takes the port.

        On Linux shutdown() ends a listen() and wakes accept(). On a socket that does not listen it
        would stick, and every connection accepted later be born shut down."""
        with self.listener_lock:
            self.listening.clear()
            if self.listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                self.listener.shutdown(socket.SHUT_RDWR)
            if self.acceptor.is_alive():
                self.resting.wait(JOIN_S)

    def _drop(self) -> None:
        """A full accept queue makes the kernel drop SYNs: a black hole, on loopback."""
        with self.listener_lock:
            self.stop_listening()
            self.listener.listen(0)
            for _ in range(2):
                filler = socket.socket()
                filler.setblocking(False)
                self.fillers.append(filler)
                with contextlib.suppress(BlockingIOError):
                    filler.connect((HOST, self.port))
                select.select([], [filler], [], 0.05)

    def _accept(self) -> None:
        number = 0
        while not self.closing.is_set():
            if not self.listening.is_set():
                self.resting.set()
                self.listening.wait()
                self.resting.clear()
            try:
                sock, _ = self.listener.accept()
            except OSError:
                continue
            number += 1
            self.log.connections += 1
            session = Session(self, Wire(sock, self.thawed), number)
            thread = threading.Thread(
                target=self._serve, args=[session], name=f"tds-{number}", daemon=True
            )
            with self.lock:
                self.wires[thread] = session.wire
            thread.start()
        self.resting.set()

    def _serve(self, session: Session) -> None:
        try:
            session.run()
        finally:
            with self.lock:
                self.wires.pop(threading.current_thread(), None)

    # --- answers --------------------------------------------------------------------------------
    def scripted(self, sql: str) -> Result | None:
        for pattern, answer in self.script.items():
            if re.search(pattern, sql, re.I | re.S):
                if isinstance(answer, ServerError):
                    raise answer
                return answer if isinstance(answer, Result) else answer(sql)
        return None
