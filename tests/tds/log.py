"""What an endpoint saw."""

from dataclasses import dataclass, field
from typing import Any

from tests.tds.protocol import Login, Prelogin


@dataclass(frozen=True)
class Asked:
    """`what` a session asked for, or what became of it."""

    session: int
    what: str


@dataclass(frozen=True)
class Ran:
    session: int
    sql: str
    parameters: dict[str, Any]


@dataclass
class Log:
    connections: int = 0
    prelogins: list[Prelogin] = field(default_factory=list)
    logins: list[Login] = field(default_factory=list)
    tls_refusals: list[str] = field(default_factory=list)
    # how the driver asks: "batch", "sp_prepexec", "TM_COMMIT" ...
    requests: list[Asked] = field(default_factory=list)
    statements: list[Ran] = field(default_factory=list)
    # "begin", "commit", "rollback", as they took effect
    transactions: list[Asked] = field(default_factory=list)
    attentions: int = 0

    def sql(self) -> list[str]:
        return [ran.sql for ran in self.statements]

    def clear(self) -> None:
        self.__dict__.update(Log().__dict__)
