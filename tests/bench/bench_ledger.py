"""A ledger of a million rows: the leaderboard against adding the ledger up, awards against those of
a company that has just begun, and thousands of awards in one call."""

import random
import shutil
import statistics
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench.harness import Line, fresh_databases, seconds, seconds_of

AGENTS = 10_000
MANY, FEW = 1_000_000, 1_000
# each agent is paid once a day
DAYS = MANY // AGENTS
TOP = 10
AWARDS = 200
ROUNDS = 15

# type, of how many rows in a hundred
TYPES = [("earned", 70), ("bonus", 14), ("salary", 10), ("deduction", 4), ("adjustment", 2)]


def run() -> list[Line]:
    from django.conf import settings

    file = Path(settings.DATABASES["sqlite"]["NAME"])
    kept = {rows: file.with_name(f"ledger-{rows}.db") for rows in (MANY, FEW)}
    took = seconds_of(lambda: _make(file, kept))
    try:
        _use(kept[MANY])
        lines = [
            seconds(f"two ledgers, {MANY:,} and {FEW} rows, {AGENTS:,} agents, made", took, 120),
            *_leaderboards(),
        ]
        _use(kept[FEW])
        lines.append(_in_bulk())
        lines.append(_awards(kept))
    finally:
        _use(file)
        for left in kept.values():
            left.unlink()
    return lines


def _leaderboards() -> list[Line]:
    """Each as a page asks for it, against the sum over the ledger in the same database."""
    from payroll.leaderboard import Board, Period

    def top(period: str) -> list[int]:
        return [agent.coins for agent in Board.of(Period.parse(period)).agents()[:TOP]]

    lines = []
    for period, days in (("all", None), ("30d", 30)):
        plain = _plain(days)
        assert top(period) == plain()
        fast = [seconds_of(lambda period=period: top(period)) for _ in range(50)]  # type: ignore[misc]
        slow = [seconds_of(plain) for _ in range(5)]
        ratio = statistics.median(slow) / statistics.median(fast)
        name = f"sum over the ledger / top {TOP}, {period}"
        lines.append(Line(name, ratio, 100, smaller_is_better=False))
    return lines


def _plain(days: int | None) -> Callable[[], list[int]]:
    from django.db import connections

    from payroll.derived.standings import today

    sql = (
        "SELECT l.AgentUUID, SUM(CASE WHEN l.TransactionType IN ('earned', 'bonus', 'salary') "
        "THEN l.Amount WHEN r.TransactionType IN ('earned', 'bonus', 'salary') THEN -l.Amount "
        "ELSE 0 END) AS coins FROM RodCoinsTransactions l "
        "LEFT JOIN RodCoinsTransactions r ON r.TransactionUUID = l.ReversesUUID "
        f"{'WHERE l.CreatedAt >= %s ' if days else ''}"
        f"GROUP BY l.AgentUUID ORDER BY coins DESC LIMIT {TOP}"
    )
    parameters = [str(today() - timedelta(days=days - 1))] if days else []

    def ask() -> list[int]:
        with connections["sqlite"].cursor() as cursor:
            cursor.execute(sql, parameters)
            return [row[1] for row in cursor.fetchall()]

    return ask


def _awards(kept: dict[int, Path]) -> Line:
    """Of both databases in turn: the same awards to the same agents."""
    from agents.models import Agent
    from payroll.services.ledger import award_rodcoins
    from rodcorp.actors import Actor

    actor = Actor.system("bench")

    def award(agents: list[Agent]) -> None:
        for agent in agents:
            award_rodcoins(actor=actor, agent=agent, amount=1, description="Measured")

    taken: dict[int, list[float]] = {rows: [] for rows in kept}
    draw = random.Random(11)
    for each in range(ROUNDS + 2):
        for rows in sorted(kept, reverse=bool(each % 2)):
            _use(kept[rows])
            agents = list(Agent.objects.filter(name__lt="agent-00500").order_by("name"))
            paid = draw.sample(agents, AWARDS) if each else agents
            taken[rows].append(seconds_of(lambda paid=paid: award(paid)))  # type: ignore[misc]
    # the first rounds open days and fill caches
    ratios = [few / many for few, many in zip(taken[FEW][2:], taken[MANY][2:], strict=True)]
    name = f"awards a second at {MANY:,} rows / at {FEW:,}"
    return Line(name, statistics.median(ratios), 0.9, smaller_is_better=False)


def _in_bulk() -> Line:
    """An award to everybody in one call, against the least that must be written."""
    from django.db import transaction

    from agents.models import Agent
    from payroll.models import RodCoinsTransaction
    from payroll.services.ledger import NewAward, award_many
    from rodcorp.actors import Actor

    agents = list(Agent.objects.all())
    actor = Actor.system("bench")

    def pay() -> None:
        award_many(actor=actor, awards=[NewAward(agent, 5, "Measured") for agent in agents])

    pay()
    latest = RodCoinsTransaction.objects.order_by("-created_at")
    rows = list(latest.filter(description="Measured")[:AGENTS])

    def insert_bare() -> None:
        new = [_again(row) for row in rows]
        with transaction.atomic(using="sqlite"):  # noqa: TID251  the bare thing to compare with
            RodCoinsTransaction._base_manager.using("sqlite").bulk_create(new, batch_size=500)

    ratios = [seconds_of(pay) / seconds_of(insert_bare) for _ in range(5)]
    name = f"award_many to {AGENTS:,} agents / bulk_create of its rows"
    return Line(name, statistics.median(ratios))


def _again(row: Any) -> Any:
    """The same row, from another cause."""
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    fresh = uuid.uuid4()
    return type(row)(**{**values, "id": fresh, "source_key": str(fresh)})


# --- the ledgers ----------------------------------------------------------------------------------
def _use(file: Path) -> None:
    """Make this file the company's database."""
    from django.db import connections

    connections["sqlite"].close()
    connections["sqlite"].settings_dict["NAME"] = str(file)


def _make(file: Path, kept: dict[int, Path]) -> None:
    from django.db import connections

    fresh_databases()
    for rows, target in kept.items():
        shutil.copy(file, target)
        _use(target)
        _fill(rows)
        with connections["sqlite"].cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _fill(rows: int) -> None:
    from django.db import connections, transaction

    from payroll.derived.ledger import rebuild_ledger
    from payroll.derived.standings import rebuild_standings
    from payroll.models import RodCoinsTransaction

    connection = connections["sqlite"]
    fields = RodCoinsTransaction._meta.concrete_fields
    table = RodCoinsTransaction._meta.db_table
    columns = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join("?" * len(fields))
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA cache_size = -400000")
    with transaction.atomic(using="sqlite"):  # noqa: TID251  a company is made, not worked in
        accounts = _company()
        with connection.cursor() as cursor:
            # an index over a million rows that are there is made faster than it grows
            cursor.execute(
                "SELECT name, type, sql FROM sqlite_master WHERE tbl_name = %s "
                "AND type IN ('index', 'trigger') AND sql IS NOT NULL",
                [table],
            )
            around = cursor.fetchall()
            for name, kind, _ in around:
                cursor.execute(f'DROP {kind} "{name}"')
        connection.connection.executemany(
            f'INSERT INTO "{table}" ({columns}) VALUES ({places})', _ledger(accounts, rows)
        )
        with connection.cursor() as cursor:
            for _, _, sql in around:
                cursor.execute(sql.replace("%", "%%"))
        rebuild_ledger("sqlite")
        rebuild_standings("sqlite")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connection.close()


def _company() -> list[tuple[str, str]]:
    """Agents with their wallets, as the ledger names them; the treasury is the first."""
    from agents.models import Agent
    from payroll.models import AccountKind, LedgerAccount
    from rodcorp.databases.ids import natural_id

    agents = Agent.objects.using("sqlite").bulk_create(
        [
            Agent(
                id=uuid.uuid5(natural_id("bench"), str(number)),
                name=f"agent-{number:05}",
                project=f"project-{number % 40}",
                team=f"team-{number % 25}",
                ai_model=("claude", "codex", "qwen", "gemini")[number % 4],
                machine_hostname="host",
                machine_ip="127.0.0.1",
            )
            for number in range(AGENTS)
        ],
        batch_size=500,
    )
    treasury = natural_id("account", "company", AccountKind.TREASURY)
    LedgerAccount(id=treasury, kind=AccountKind.TREASURY, balance=None).save(using="sqlite")
    wallets = [
        LedgerAccount(
            id=natural_id("account", agent.pk, AccountKind.WALLET),
            agent=agent,
            kind=AccountKind.WALLET,
        )
        for agent in agents
    ]
    LedgerAccount.objects.using("sqlite").bulk_create(wallets, batch_size=500)
    return [
        ("", treasury.hex),
        *((a.pk.hex, w.pk.hex) for a, w in zip(agents, wallets, strict=True)),
    ]


def _ledger(accounts: list[tuple[str, str]], rows: int) -> Iterator[tuple[Any, ...]]:
    """Rows over the last days, agents in turn, one in fifty undone."""
    from payroll.models import RodCoinsTransaction

    draw = random.Random(7)
    kinds = draw.choices(*zip(*TYPES, strict=True), k=10_007)
    now = datetime.now(UTC).replace(tzinfo=None)
    begun = now - timedelta(days=DAYS)
    step = (now - begun) / rows
    treasury = accounts[0][1]
    order = [field.attname for field in RodCoinsTransaction._meta.concrete_fields]
    before: dict[str, Any] | None = None
    for number in range(rows):
        agent, wallet = accounts[1 + number * 7919 % AGENTS]
        kind = kinds[number % len(kinds)]
        moment = begun + step * number
        amount = draw.randint(1, 500)
        takes = kind == "deduction"
        undoes = before if number % 50 == 49 else None
        if undoes:
            agent, wallet, kind, amount, takes = (
                *undoes["whose"],
                "reversal",
                undoes["amount"],
                True,
            )
        # spread over all keys, and in their order, in which they are inserted fast
        key = f"{(number << 128) // rows + draw.getrandbits(100):032x}"
        row = {
            "actor_kind": "system",
            "actor_id": "bench",
            "actor_name": "bench",
            "actor_token": "",
            "actor_address": "",
            "id": key,
            "agent_id": agent,
            "source_id": wallet if takes else treasury,
            "target_id": treasury if takes else wallet,
            "amount": amount,
            "transaction_type": kind,
            "description": "Work on a task of an ordinary size",
            "source_kind": "task",
            "source_key": key,
            "reverses_id": undoes["id"] if undoes else None,
            "cycle": 1 + number * (DAYS // 14) // rows,
            "occurred_at": str(moment),
            "created_at": str(moment),
        }
        before = {**row, "whose": (agent, wallet)} if kind in ("earned", "bonus") else None
        yield tuple(row[name] for name in order)
