"""The procedures the driver calls: mostly statements with parameters, prepared or at once."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.tds.answer import Answer
from tests.tds.catalog import datatype_info, describe
from tests.tds.protocol import Call, declared_names
from tests.tds.tokens import Result, ServerError

if TYPE_CHECKING:
    from tests.tds.session import Session


class Procedures:
    """Of one session, with the statements it has prepared."""

    def __init__(self, session: "Session") -> None:
        self.session = session
        self.prepared: dict[int, tuple[str, list[str]]] = {}
        self.handles = itertools.count(1)

    def call(self, call: Call, answer: Answer) -> tuple[str, int] | None:
        """Runs it into the answer; the name and value of the handle of what it prepared. What it
        has SET is put back."""
        with self.session.engine.keeping_settings():
            return self._call(call, answer)

    def _call(self, call: Call, answer: Answer) -> tuple[str, int] | None:
        fill, results = self.session.fill, self.session.results
        match call.procedure:
            case "sp_executesql":
                fill(answer, results(*call.statement(0, 1)))
            case "sp_prepexec":
                handle = self._prepare(call)
                fill(answer, results(*call.statement(2, 1)))
                return handle
            case "sp_prepare":
                return self._prepare(call)
            case "sp_execute":
                fill(answer, self._execute(call))
            case "sp_unprepare":
                self.prepared.pop(call.arguments[0].value, None)
            case "sp_describe_undeclared_parameters":
                fill(answer, self._describe(call.arguments[0].value))
            case "sp_datatype_info_100":
                fill(answer, [datatype_info(call.arguments[0].value)])
            case procedure:
                text = f"Could not find stored procedure '{procedure}' (in the endpoint)."
                answer.failed(ServerError(2812, text))
        return None

    def _prepare(self, call: Call) -> tuple[str, int]:
        handle = next(self.handles)
        names = declared_names(call.arguments[1].value)
        self.prepared[handle] = (call.arguments[2].value, names)
        return call.arguments[0].name, handle

    def _describe(self, sql: str) -> Iterator[Result]:
        self.session.statement = sql
        self.session.strike("describe")
        yield describe(sql)

    def _execute(self, call: Call) -> Iterator[Result]:
        handle = call.arguments[0].value
        if handle not in self.prepared:
            raise ServerError(8179, f"Could not find prepared statement with handle {handle}.")
        sql, names = self.prepared[handle]
        yield from self.session.results(sql, call.bind(names, 1))
