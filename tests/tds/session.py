"""One client's conversation, from PRELOGIN to the end."""

import ssl
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tests.tds import protocol, tokens
from tests.tds.answer import Answer
from tests.tds.engine import Engine
from tests.tds.faults import Fault, Gone, Phase
from tests.tds.log import Asked, Ran
from tests.tds.procedures import Procedures
from tests.tds.protocol import (
    ANSWER,
    ATTENTION,
    BATCH,
    ENCRYPT_NOT_SUPPORTED,
    ENCRYPT_OFF,
    LOGIN,
    PRELOGIN,
    RESET_CONNECTION,
    RPC,
    TRANSACTION,
    Login,
    Prelogin,
    TransactionRequest,
    prelogin_answer,
    read_batch,
    read_calls,
    read_transaction,
)
from tests.tds.tls import Tls, negotiate
from tests.tds.tokens import DONE, Result, ServerError
from tests.tds.wire import Wire

if TYPE_CHECKING:
    from tests.tds.endpoint import Endpoint

LARGEST_PACKET = 32767
FATAL = 20
FIRST_BYTE_S = 0.5
TRANSACTIONS = {
    protocol.TM_BEGIN: "TM_BEGIN",
    protocol.TM_COMMIT: "TM_COMMIT",
    protocol.TM_ROLLBACK: "TM_ROLLBACK",
    protocol.TM_SAVE: "TM_SAVE",
}


class Cancelled(Exception):
    """An ATTENTION came while a statement ran."""


class Session:
    def __init__(self, endpoint: "Endpoint", wire: Wire, number: int) -> None:
        self.endpoint, self.wire, self.number = endpoint, wire, number
        self.log = endpoint.log
        self.engine: Engine | None = None
        self.procedures = Procedures(self)
        self.statement = ""

    def run(self) -> None:
        how = "fin"
        try:
            self._connected()
            self.greet()
            self.serve()
        except Gone as gone:
            how = gone.how
        finally:
            # SQLite rolls back what was open; only then may the client learn of the end
            if self.engine:
                self.engine.close()
            self.wire.close(how)

    # --- faults ---------------------------------------------------------------------------------
    def strike(self, phase: Phase) -> None:
        if fault := self.endpoint.plan.take(phase, self.statement):
            self.suffer(fault)

    def suffer(self, fault: Fault) -> None:
        fault.hit.set()
        match fault.how:
            case "error":
                raise fault.server_error()
            case "hang":
                self.wire.wait(fault.released, fault.seconds)
            case "refuse":
                self.endpoint.stop_listening()
                self.endpoint.kill_connections("rst")
                raise Gone("rst")
            case how:
                raise Gone(how)

    def _connected(self) -> None:
        """A reset that overtakes the driver's own connect() is another case, and a matter of luck:
        10057, or even HYT00 at the login timeout. So a fault waits for the first byte."""
        if fault := self.endpoint.plan.take("connect"):
            if fault.how in ("fin", "rst"):
                self.wire.readable(FIRST_BYTE_S)
            self.suffer(fault)

    def pause(self, seconds: float) -> None:
        """A statement's wait, which the client may cancel."""
        if self.wire.readable(seconds):
            kind, _, _ = self.wire.read()
            if kind != ATTENTION:
                raise ValueError(f"a message of type {kind} while a statement runs")
            raise Cancelled

    # --- login ----------------------------------------------------------------------------------
    def greet(self) -> None:
        _, _, body = self._expect(PRELOGIN)
        hello = Prelogin.read(body)
        self.log.prelogins.append(hello)
        self._or_refuse("prelogin")
        tls = self.endpoint.tls
        chosen = negotiate(hello.encryption, tls)
        self.wire.write(ANSWER, prelogin_answer(chosen))
        if tls and chosen != ENCRYPT_NOT_SUPPORTED:
            self._encrypt(tls)
        _, _, body = self._expect(LOGIN)
        login = Login.read(body, encrypted=self.wire.tls is not None)
        if chosen == ENCRYPT_OFF:
            self.wire.stop_tls()
        self.log.logins.append(login)
        self._admit(login)

    def _encrypt(self, tls: Tls) -> None:
        # a probe leaves before
        self.wire.await_byte()
        self.strike("tls")
        try:
            self.wire.start_tls(tls.context())
        except (ssl.SSLError, Gone) as error:
            # The driver sends no alert, it just hangs up.
            self.log.tls_refusals.append(str(error))
            raise Gone from error

    def _expect(self, wanted: int) -> tuple[int, int, bytes]:
        message = self.wire.read()
        if message[0] != wanted:
            raise ValueError(f"a message of type {message[0]} where {wanted} should come")
        return message

    def _or_refuse(self, phase: Phase) -> None:
        try:
            self.strike(phase)
        except ServerError as error:
            self._refuse(error)

    def _refuse(self, *errors: ServerError) -> None:
        answer = b"".join(tokens.message(error) for error in errors)
        self.wire.write(ANSWER, answer + tokens.done(DONE, tokens.ERROR))
        raise Gone

    def _admit(self, login: Login) -> None:
        self._or_refuse("login")
        wrong = ServerError(18456, f"Login failed for user '{login.user}'.", severity=14)
        if (login.user, login.password) != (self.endpoint.user, self.endpoint.password):
            self._refuse(wrong)
        if login.database.lower() not in ("", "master", self.endpoint.database.lower()):
            text = f'Cannot open database "{login.database}" requested by the login.'
            self._refuse(ServerError(4060, text, severity=11), wrong)
        self.engine = Engine(self.endpoint.store, self.strike, self.pause)
        size = min(max(login.packet_size, 512), LARGEST_PACKET)
        accepted = tokens.login_accepted(login.database or self.endpoint.database, size)
        self.wire.write(ANSWER, accepted + tokens.done(DONE))
        self.wire.packet_size = size

    # --- requests -------------------------------------------------------------------------------
    def serve(self) -> None:
        while True:
            kind, status, body = self.wire.read()
            head = self._reset() if status & RESET_CONNECTION else b""
            try:
                if kind == ATTENTION:
                    self._acknowledge()
                elif kind == BATCH:
                    self._batch(read_batch(body), head)
                elif kind == RPC:
                    self._calls(body, head)
                elif kind == TRANSACTION:
                    self._transaction(body, head)
                else:
                    raise ValueError(f"a message of type {kind}")
            except Cancelled:
                self.engine.cancelled()
                self._acknowledge()

    def _acknowledge(self) -> None:
        self.log.attentions += 1
        changes = self.changes()
        self.wire.write(ANSWER, changes + tokens.done(DONE, tokens.ATTENTION_SEEN))

    def _reset(self) -> bytes:
        if self.engine.depth:
            self.engine.rollback()
        self.engine.reset()
        return self.changes() + tokens.change(tokens.RESET, b"\0", b"\0")

    def changes(self) -> bytes:
        """What became of transactions since the last answer."""
        names = {tokens.BEGUN: "begin", tokens.COMMITTED: "commit", tokens.ROLLED_BACK: "rollback"}
        answer = b""
        for kind, descriptor in self.engine.changes:
            self.log.transactions.append(Asked(self.number, names[kind]))
            answer += tokens.transaction_change(kind, descriptor)
        self.engine.changes.clear()
        return answer

    def rows_before_fault(self) -> int | None:
        return self.endpoint.plan.rows_left(self.statement)

    def _ask(self, what: str) -> None:
        self.log.requests.append(Asked(self.number, what))

    def results(self, sql: str, parameters: dict[str, Any]) -> Iterator[Result]:
        self.statement = sql
        self.log.statements.append(Ran(self.number, sql, parameters))
        self.strike("execute")
        if (scripted := self.endpoint.scripted(sql)) is None:
            yield from self.engine.run(sql, parameters)
        else:
            yield scripted

    def fill(self, answer: Answer, results: Iterable[Result]) -> None:
        try:
            for result in results:
                answer.result(result)
        except ServerError as error:
            self.engine.failed(error)
            answer.failed(error)

    def _close_if_fatal(self, answer: Answer) -> None:
        if answer.failure and answer.failure.severity >= FATAL:
            raise Gone

    def _batch(self, sql: str, head: bytes) -> None:
        self._ask("batch")
        answer = Answer(self, head, procedure=False)
        self.fill(answer, self.results(sql, {}))
        answer.finish()
        self._close_if_fatal(answer)

    def _transaction(self, body: bytes, head: bytes) -> None:
        """[MS-TDS] 2.2.6.9: how the driver begins and ends transactions."""
        request = read_transaction(body)
        self._ask(TRANSACTIONS[request.action])
        self.statement = TRANSACTIONS[request.action]
        answer = Answer(self, head, procedure=False)
        self.fill(answer, self._transact(request))
        answer.finish()
        self._close_if_fatal(answer)

    def _transact(self, request: TransactionRequest) -> Iterator[Result]:
        match request.action:
            case protocol.TM_BEGIN:
                self.engine.begin()
            case protocol.TM_COMMIT:
                self.engine.commit()
            case protocol.TM_ROLLBACK:
                self.engine.rollback(request.name)
            case protocol.TM_SAVE:
                self.engine.save(request.name)
        if request.begins:
            self.engine.begin()
        yield Result()

    def _calls(self, body: bytes, head: bytes) -> None:
        calls = list(read_calls(body))
        answer = Answer(self, head, procedure=True)
        for number, call in enumerate(calls, 1):
            self._ask(call.procedure)
            handle = self.procedures.call(call, answer)
            answer.finish_call(handle, last=number == len(calls))
        self._close_if_fatal(answer)
