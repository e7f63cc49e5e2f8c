"""What goes wrong, where and how."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from tests.tds.tokens import ServerError

Phase = Literal[
    "connect",
    "prelogin",
    "tls",
    "login",
    "describe",
    "execute",
    "fetch",
    "commit_before",
    "commit_after",
]
How = Literal["refuse", "drop", "fin", "rst", "hang", "error"]
PHASES: tuple[Phase, ...] = get_args(Phase)
WAYS: tuple[How, ...] = get_args(How)

# number, state, class, text
ErrorText = tuple[int, int, int, str]
DEFAULT_ERROR: ErrorText = (50000, 1, 16, "The script says so.")


class Gone(Exception):
    """The connection is over; `how` says whether by FIN or RST."""

    def __init__(self, how: str = "fin") -> None:
        super().__init__(how)
        self.how = how


@dataclass(eq=False)
class Fault:
    """`after`: in fetch the rows that still arrive, elsewhere the occasions that go well before.
    `times`: how often it strikes before it is spent (None: until cleared). `seconds`: when a hang
    ends by itself. `matching`: a regular expression the statement must contain.

    A hang that ends goes on where it stopped, as a frozen server would: a COMMIT that hung is then
    carried out, whether or not its client still waits. Only `kill_connections` prevents that.
    """

    phase: Phase
    how: How
    after: int = 0
    times: int | None = None
    error: ErrorText = DEFAULT_ERROR
    seconds: float | None = None
    matching: str = ""
    struck: int = 0
    released: threading.Event = field(default_factory=threading.Event, repr=False)
    hit: threading.Event = field(default_factory=threading.Event, repr=False)
    removal: Callable[["Fault"], None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.phase not in PHASES or self.how not in WAYS:
            raise ValueError(f"phase is one of {PHASES}, how one of {WAYS}")
        if self.phase in ("connect", "tls") and self.how == "error":
            raise ValueError("before PRELOGIN, and in TLS, a server has no way to report an error")
        if self.how == "drop" and self.phase != "connect":
            raise ValueError("only a connect can be dropped; a session that is silent hangs")

    def server_error(self) -> ServerError:
        number, state, severity, text = self.error
        return ServerError(number, text, state=state, severity=severity)

    def clear(self) -> None:
        self.released.set()
        if self.removal:
            self.removal(self)

    def __enter__(self) -> "Fault":
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()


class Plan:
    """The faults in force. Set by the test's thread, asked by the sessions' threads."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self.lock:
            self.faults.append(fault)

    def remove(self, fault: Fault) -> None:
        with self.lock:
            if fault in self.faults:
                self.faults.remove(fault)

    def current(self) -> list[Fault]:
        with self.lock:
            return list(self.faults)

    def take(self, phase: Phase, statement: str = "") -> Fault | None:
        """The fault that strikes now."""
        with self.lock:
            for fault in self.faults:
                if fault.phase != phase or not re.search(fault.matching, statement, re.I | re.S):
                    continue
                if phase != "fetch" and fault.after:
                    fault.after -= 1
                    continue
                if fault.times is not None and fault.struck >= fault.times:
                    continue
                fault.struck += 1
                return fault
        return None

    def rows_left(self, statement: str) -> int | None:
        """How many rows a fetch fault lets through, if one waits for this statement."""
        with self.lock:
            for fault in self.faults:
                spent = fault.times is not None and fault.struck >= fault.times
                if fault.phase == "fetch" and not spent and re.search(
                    fault.matching, statement, re.I | re.S
                ):  # fmt: skip
                    return fault.after
        return None
