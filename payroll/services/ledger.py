"""Moving coins. Every movement goes through `post`, which keeps the derived balances right."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from agents.models import Agent
from payroll.derived.adding import Bounded, lock_order
from payroll.derived.ledger import earning_of, move_balances, move_totals
from payroll.derived.standings import move_standings
from payroll.errors import AlreadyReversed, InsufficientFunds, TransactionNotFound
from payroll.models import (
    AccountKind,
    LedgerAccount,
    PayCycle,
    RodCoinsTransaction,
    TransactionType,
)
from rodcorp.actors import Actor, Permission
from rodcorp.databases.ids import natural_id
from rodcorp.databases.units import open_unit
from rodcorp.errors import Conflict, InvalidInput, RodCorpError
from rodcorp.kit import rows, validation
from rodcorp.kit.services import service

# What `award_rodcoins` takes; salary, reversal and transfer have services of their own.
AWARD_TYPES = (
    TransactionType.EARNED,
    TransactionType.BONUS,
    TransactionType.ADJUSTMENT,
    TransactionType.DEDUCTION,
)


@dataclass
class NewAward:
    """One award of a bulk call. With a `key` it is paid once, however often the call repeats."""

    agent: Agent
    amount: object
    description: str
    transaction_type: str = TransactionType.EARNED
    key: str | None = None


@service("payroll.award", needs=Permission.MOVE_COINS)
def award_rodcoins(
    *,
    actor: Actor,
    agent: Agent,
    amount: object,
    description: str,
    transaction_type: str = TransactionType.EARNED,
    key: str | None = None,
) -> RodCoinsTransaction:
    """Pay an agent (earned, bonus, adjustment) or take back (deduction), in whole coins.

    With a `key` it is paid once for this caller, for ever: the row's own cause is the key.
    """
    cause = str(open_unit().id) if key else None
    return _award([NewAward(agent, amount, description, transaction_type, cause)])[0]


@service("payroll.award_many", needs=Permission.MOVE_COINS)
def award_many(*, actor: Actor, awards: Sequence[NewAward]) -> list[RodCoinsTransaction]:
    """Many awards by the same rules; all of them or none. An award whose key was paid before is
    left out of what is paid now, and returned as it was."""
    return _award(awards)


@service("payroll.transfer", needs=Permission.MOVE_COINS)
def transfer(
    *,
    actor: Actor,
    source: Agent,
    target: Agent,
    amount: object,
    description: str,
    key: str | None = None,
) -> RodCoinsTransaction:
    """Move coins from one agent's wallet to another's; nobody earns anything by it."""
    if source.pk == target.pk:
        raise InvalidInput("The two agents must differ.", field="target")
    posting = Posting(
        agent=source,
        source=wallet(source),
        target=wallet(target),
        amount=_amount(amount),
        transaction_type=TransactionType.TRANSFER,
        description=_description(description),
        source_kind="transfer" if key else "",
        source_key=str(open_unit().id) if key else "",
    )
    return _post_new([posting])[0]


@service("payroll.reverse", needs=Permission.MOVE_COINS)
def reverse_transaction(
    *,
    actor: Actor,
    transaction: RodCoinsTransaction,
    reason: str,
    key: str | None = None,
) -> RodCoinsTransaction:
    """Undo a transaction in full, once. What the wallet lacks is advanced from the agent's debt
    account, which the next payslip recovers."""
    return _reverse(transaction, _description(reason))


# Rewards are the one movement a task may cause without MOVE_COINS: the amount was fixed by whoever
# created the task, and (task, round) can be paid once.


@service("payroll.pay_reward", needs=Permission.WORK_ON_TASKS)
def pay_task_reward(
    *, actor: Actor, agent: Agent, task_id: UUID, round_number: int, amount: int, description: str
) -> RodCoinsTransaction:
    """Pay what a task promised, once for each of its rounds."""
    posting = Posting(
        agent=agent,
        source=company_account(AccountKind.TREASURY),
        target=wallet(agent),
        amount=_amount(amount),
        transaction_type=TransactionType.EARNED,
        description=validation.clip(description, 500),
        source_kind="task",
        source_key=f"{task_id}/{round_number}",
    )
    return post([posting])[0]


@service("payroll.take_back_reward", needs=Permission.WORK_ON_TASKS)
def take_back_task_reward(
    *, actor: Actor, task_id: UUID, round_number: int, reason: str
) -> RodCoinsTransaction | None:
    """Reverse a round's reward when its completion does not stand; None if none was paid or it
    was already reversed."""
    paid = RodCoinsTransaction.objects.filter(
        pk=natural_id("transaction", "task", f"{task_id}/{round_number}")
    ).first()
    if paid is None or paid.reversals.exists():
        return None
    return _reverse(paid, validation.clip(reason, 500))


def balance_of(agent: Agent) -> int:
    """What the agent can spend, in coins."""
    account = LedgerAccount.objects.wallet_of(agent)
    return (account.balance or 0) if account else 0


def find_transaction(transaction_id: object) -> RodCoinsTransaction:
    wanted = validation.guid(transaction_id, "transaction_id")
    found = RodCoinsTransaction.objects.filter(pk=wanted).first()
    if found is None:
        raise TransactionNotFound(f"There is no transaction {wanted}.", field="transaction_id")
    return found


@dataclass
class Posting:
    """One row to be posted. Without a source kind the row is its own cause, and without a cycle it
    is booked in the current one."""

    agent: Agent | None
    source: LedgerAccount
    target: LedgerAccount
    amount: int
    transaction_type: TransactionType
    description: str
    source_kind: str = ""
    source_key: str = ""
    reverses: RodCoinsTransaction | None = None
    occurred_at: datetime | None = None
    cycle: int | None = None


def wallet(agent: Agent) -> LedgerAccount:
    return accounts_of([agent], AccountKind.WALLET)[agent.pk]


def accounts_of(agents: Sequence[Agent], kind: AccountKind) -> dict[UUID, LedgerAccount]:
    """The accounts of that kind by agent id, opened where missing."""
    wanted = {natural_id("account", agent.pk, kind): agent for agent in agents}
    found: dict[UUID, LedgerAccount] = {}
    ids = list(wanted)
    for start in range(0, len(ids), rows.BATCH):
        for account in LedgerAccount.objects.filter(pk__in=ids[start : start + rows.BATCH]):
            assert account.agent_id is not None
            found[account.agent_id] = account
    # in one order, so that two units that open the same accounts do not wait for each other
    missing = [
        LedgerAccount(id=row_id, agent=wanted[row_id], kind=kind)
        for row_id in sorted(wanted, key=lock_order)
        if wanted[row_id].pk not in found
    ]
    for account in rows.insert_many(missing):
        assert account.agent_id is not None
        found[account.agent_id] = account
    return found


def company_account(kind: AccountKind) -> LedgerAccount:
    row_id = natural_id("account", "company", kind)
    account = LedgerAccount.objects.filter(pk=row_id).first()
    return account or rows.insert(LedgerAccount(id=row_id, kind=kind, balance=None))


def post(postings: Sequence[Posting]) -> list[RodCoinsTransaction]:
    """Insert ledger rows and move what is derived from them; for other services of payroll, inside
    their unit. Thousands take a few statements each five hundred. Raises `InsufficientFunds` if a
    wallet would go below zero."""
    if not postings:
        return []
    unit = open_unit()
    current = 0
    if not all(posting.cycle for posting in postings):
        current = PayCycle.objects.current_number()
    made = []
    for posting in postings:
        kind = posting.source_kind or "direct"
        key = posting.source_key or str(unit.new_id())
        made.append(
            RodCoinsTransaction(
                id=natural_id("transaction", kind, key),
                agent=posting.agent,
                source=posting.source,
                target=posting.target,
                amount=posting.amount,
                transaction_type=posting.transaction_type,
                description=posting.description,
                source_kind=kind,
                source_key=key,
                reverses=posting.reverses,
                cycle=posting.cycle or current,
                occurred_at=posting.occurred_at or unit.now,
                created_at=unit.now,
            )
        )
    _move_balances(made)
    _move_earnings(made)
    rows.insert_many(made)
    return made


def _award(awards: Sequence[NewAward]) -> list[RodCoinsTransaction]:
    treasury = company_account(AccountKind.TREASURY)
    wallets = accounts_of([award.agent for award in awards], AccountKind.WALLET)
    postings = []
    for award in awards:
        transaction_type = _award_type(award.transaction_type)
        own = wallets[award.agent.pk]
        takes = transaction_type is TransactionType.DEDUCTION
        postings.append(
            Posting(
                agent=award.agent,
                source=own if takes else treasury,
                target=treasury if takes else own,
                amount=_amount(award.amount),
                transaction_type=transaction_type,
                description=_description(award.description),
                source_kind="award" if award.key else "",
                source_key=validation.text(award.key, "key", max_length=200) if award.key else "",
            )
        )
    return _post_new(postings)


def _post_new(postings: Sequence[Posting]) -> list[RodCoinsTransaction]:
    """Post those whose cause was not paid before; return the row of every cause."""
    causes = [
        natural_id("transaction", posting.source_kind, posting.source_key)
        if posting.source_key
        else None
        for posting in postings
    ]
    ids = [cause for cause in causes if cause is not None]
    if len(set(ids)) < len(ids):
        raise InvalidInput("The same key appears twice in this call.", field="key")
    paid: dict[UUID, RodCoinsTransaction] = {}
    for start in range(0, len(ids), rows.BATCH):
        paid.update(RodCoinsTransaction.objects.in_bulk(ids[start : start + rows.BATCH]))
    result: list[RodCoinsTransaction | None] = []
    fresh = []
    for posting, cause in zip(postings, causes, strict=True):
        row = paid.get(cause) if cause else None
        if row is None:
            fresh.append(posting)
        elif _says_another(row, posting):
            raise Conflict(
                f"This key already moved {row.amount} RodCoins ({row.transaction_type}: "
                f"{row.description}); use a new key for a new payment.",
                field="key",
            )
        result.append(row)
    made = iter(post(fresh))
    return [row or next(made) for row in result]


def _says_another(row: RodCoinsTransaction, posting: Posting) -> bool:
    """Whether the row that was posted for a cause is not what this posting asks for."""
    asked = posting.agent.pk if posting.agent else None
    return (
        row.agent_id,
        row.source_id,
        row.target_id,
        row.amount,
        row.transaction_type,
        row.description,
    ) != (
        asked,
        posting.source.pk,
        posting.target.pk,
        posting.amount,
        posting.transaction_type,
        posting.description,
    )


def _reverse(transaction: RodCoinsTransaction, reason: str) -> RodCoinsTransaction:
    if transaction.transaction_type == TransactionType.REVERSAL:
        raise Conflict("A reversal cannot be reversed; post a new transaction instead.")
    if transaction.reversals.exists():
        raise AlreadyReversed("This transaction was already reversed.")
    payer = LedgerAccount.objects.select_for_update().get(pk=transaction.target_id)
    postings = []
    lacking = transaction.amount - (payer.balance or 0)
    if payer.kind == AccountKind.WALLET and lacking > 0:
        assert payer.agent is not None
        postings.append(
            Posting(
                agent=payer.agent,
                source=accounts_of([payer.agent], AccountKind.DEBT)[payer.agent.pk],
                target=payer,
                amount=lacking,
                transaction_type=TransactionType.TRANSFER,
                description="Advance for a reversal the wallet could not cover",
                source_kind="advance",
                source_key=str(transaction.pk),
            )
        )
    postings.append(
        Posting(
            agent=transaction.agent,
            source=payer,
            target=transaction.source,
            amount=transaction.amount,
            transaction_type=TransactionType.REVERSAL,
            description=reason,
            source_kind="reversal",
            source_key=str(transaction.pk),
            reverses=transaction,
        )
    )
    # one after the other: the advance must be in the wallet before the reversal takes it
    return [post([posting])[0] for posting in postings][-1]


def _move_balances(made: Sequence[RodCoinsTransaction]) -> None:
    """Add to each account the sum of its rows, if that leaves a wallet at or above zero."""
    accounts: dict[UUID, LedgerAccount] = {}
    deltas: dict[UUID, int] = defaultdict(int)
    for row in made:
        for account, delta in ((row.source, -row.amount), (row.target, row.amount)):
            # the company's own keep no balance
            if account.agent_id is not None:
                accounts[account.pk] = account
                deltas[account.pk] += delta
    deltas = {account: delta for account, delta in deltas.items() if delta}
    refused = move_balances(
        open_unit().alias,
        {account: _bounded(accounts[account], delta) for account, delta in deltas.items()},
    )
    if refused is not None:
        raise _refusal(accounts[refused], deltas[refused])
    for key, delta in deltas.items():
        accounts[key].balance = (accounts[key].balance or 0) + delta


def _bounded(account: LedgerAccount, delta: int) -> Bounded:
    lowest = 0 if account.kind == AccountKind.WALLET else -validation.BIGINT_MAX
    # whoever is given coins may hold less than nothing
    least = lowest - delta if delta < 0 else -validation.BIGINT_MAX
    return Bounded(delta, least, validation.BIGINT_MAX - max(delta, 0))


def _refusal(account: LedgerAccount, delta: int) -> RodCorpError:
    account.refresh_from_db(fields=["balance"])
    if delta > 0:
        return InvalidInput("The account would exceed the largest balance.", field="amount")
    return InsufficientFunds(
        f"{account} holds {account.balance} RodCoins; {-delta} are needed.",
        field="amount",
        details={"balance": account.balance, "needed": -delta},
    )


def _move_earnings(made: Sequence[RodCoinsTransaction]) -> None:
    """Add to what the agents have earned, in all and by period."""
    found = [
        earning_of(
            row.agent_id,
            row.amount,
            row.transaction_type,
            row.reverses.transaction_type if row.reverses else None,
            row.created_at,
            row.cycle,
        )
        for row in made
    ]
    earnings = [earning for earning in found if earning is not None]
    alias = open_unit().alias
    refused = move_totals(alias, earnings)
    if refused is not None:
        agent = Agent.objects.get(pk=refused)
        raise InvalidInput(
            f"What {agent} has earned in all would exceed the largest number.", field="amount"
        )
    move_standings(alias, earnings)


def _award_type(value: object) -> TransactionType:
    return TransactionType(
        validation.choice(value, "transaction_type", [kind.value for kind in AWARD_TYPES])
    )


def _amount(value: object) -> int:
    return validation.integer(value, "amount", minimum=1, maximum=validation.BIGINT_MAX)


def _description(value: object) -> str:
    return validation.text(value, "description", max_length=500)
