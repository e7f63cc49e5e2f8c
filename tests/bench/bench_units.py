"""One service call, of the kind agents make all day, against the bare statements that write the
same rows: what checking, history, ledger and the unit of work cost. For information."""

from collections.abc import Callable
from typing import Any

from tests.bench.harness import Line, fresh_databases, ratio_of

CALLS = 100

Statement = tuple[str, Any]


def run() -> list[Line]:
    from agents.services.discussions import post_message
    from payroll.services.ledger import award_rodcoins
    from rodcorp.actors import Actor

    actor = Actor.system("bench")

    def award(agent: Any) -> None:
        award_rodcoins(
            actor=actor,
            agent=agent,
            amount=1,
            description="Measured",
            transaction_type="earned",
        )

    def post(agent: Any) -> None:
        post_message(
            actor=actor,
            agent=agent,
            topic="Bench",
            message="One message of an ordinary length, as agents send them.",
            sentiment="neutral",
        )

    return [
        _measure("award_rodcoins / its bare statements", award),
        _measure("post_message / its bare statement", post),
    ]


def _measure(name: str, call: Callable[[Any], None]) -> Line:
    from django.db import connections

    _prepare()
    agent = _agent()
    transactions = [_writes_of(lambda: call(agent)) for _ in range(CALLS)]
    assert all(transactions), "a call that writes nothing is not worth measuring"

    def through_the_service() -> None:
        for _ in range(CALLS):
            call(agent)

    def bare() -> None:
        with connections["sqlite"].cursor() as cursor:
            for statements in transactions:
                cursor.execute("BEGIN IMMEDIATE")
                for sql, parameters in statements:
                    cursor.execute(sql, parameters)
                cursor.execute("COMMIT")

    return Line(name, ratio_of(through_the_service, bare, before=_prepare), bound=None)


def _prepare() -> None:
    from agents.services.registry import register_agent
    from rodcorp.actors import Actor

    fresh_databases()
    register_agent(
        actor=Actor.system("bench"), name="Ada", machine_hostname="host", machine_ip="127.0.0.1"
    )


def _agent() -> Any:
    from agents.models import Agent

    return Agent.objects.get()


def _writes_of(call: Callable[[], None]) -> list[Statement]:
    """The statements with which the call changes rows, in order."""
    from django.db import connections

    writes: list[Statement] = []

    def note(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            writes.append((sql, parameters))
        return execute(sql, parameters, many, context)

    with connections["sqlite"].execute_wrapper(note):
        call()
    return writes
