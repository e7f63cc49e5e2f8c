"""The answer to one request, token by token."""

from typing import TYPE_CHECKING

from tests.tds import tokens
from tests.tds.protocol import ANSWER
from tests.tds.tokens import DONE, DONE_IN_PROCEDURE, DONE_PROCEDURE, Result, ServerError

if TYPE_CHECKING:
    from tests.tds.session import Session


class Answer:
    """A DONE says whether more follows, so the last one is held until that is known."""

    def __init__(self, session: "Session", head: bytes, *, procedure: bool) -> None:
        self.session, self.buffer = session, bytearray(head)
        self.token = DONE_IN_PROCEDURE if procedure else DONE
        self.held: tuple[str, int | None] | None = None
        self.failure: ServerError | None = None

    def result(self, result: Result) -> None:
        self._more()
        if result.columns:
            self._table(result)
        self.buffer += self.session.changes()
        self.held = (result.command, result.count)

    def failed(self, error: ServerError) -> None:
        self._more()
        self.buffer += self.session.changes() + tokens.message(error)
        self.failure = error

    def finish(self) -> None:
        """Of a batch."""
        self._end(DONE, *(self.held or ("", None)))

    def finish_call(self, handle: tuple[str, int] | None, *, last: bool) -> None:
        self._more()
        failed = self.failure is not None
        self.buffer += tokens.return_status(self.failure.number if self.failure else 0)
        if handle:
            self.buffer += tokens.return_handle(*handle)
        if last:
            self._end(DONE_PROCEDURE)
        else:
            status = tokens.MORE | (tokens.ERROR if failed else 0)
            self.buffer += tokens.done(DONE_PROCEDURE, status)

    def _end(self, token: int, command: str = "", count: int | None = None) -> None:
        status = tokens.ERROR if self.failure else 0
        self.buffer += tokens.done(token, status, command, None if self.failure else count)
        self.session.wire.write(ANSWER, bytes(self.buffer))

    def _more(self) -> None:
        if self.held:
            self.buffer += tokens.done(self.token, tokens.MORE, *self.held)
            self.held = None

    def _table(self, result: Result) -> None:
        head, rows = tokens.table(result.columns, result.rows)
        self.buffer += head
        left = None if result.is_whole else self.session.rows_before_fault()
        if left is not None and left < len(rows):
            self.buffer += b"".join(rows[:left])
            self.session.wire.write(ANSWER, bytes(self.buffer), final=False)
            self.buffer.clear()
            rows = rows[left:]
            self.session.strike("fetch")
        self.buffer += b"".join(rows)
