"""Pay cycles: draft, computed, approved, posted, closed. Each step is one unit, all of it or
nothing, and the version of the cycle lets only one of two workers make it.

Once a cycle is computed, new rows of the ledger are booked in the next one, so that what its
payslips explain stays as it is.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from django.db.models import Q

from agents.models import Agent
from payroll.errors import CycleOutOfOrder, DebtChanged, PayCycleNotFound, SelfApproval
from payroll.models import (
    AccountKind,
    LedgerAccount,
    PayCycle,
    PayCycleState,
    PayCycleStep,
    Payslip,
    PayslipLine,
    RodCoinsTransaction,
    TransactionType,
)
from payroll.pay import Pay, pay_of
from payroll.payees import CHUNK, Company
from payroll.services.ledger import Posting, accounts_of, company_account, post
from payroll.services.sealing import seal
from rodcorp.actors import Actor, ActorKind, Permission
from rodcorp.databases.ids import natural_id
from rodcorp.databases.mode import Mode
from rodcorp.databases.sides import mode_file
from rodcorp.databases.units import open_unit
from rodcorp.errors import Conflict, InvalidInput, PermissionRefused, Unavailable
from rodcorp.kit import rows, validation
from rodcorp.kit.services import service

T = TypeVar("T")

_NEXT = {
    PayCycleState.DRAFT: "compute it next",
    PayCycleState.COMPUTED: "a person approves it next, or re-opens it",
    PayCycleState.APPROVED: "post it next, or re-open it",
    PayCycleState.POSTED: "close it next",
    PayCycleState.CLOSED: "it stays as it is, and a correction is booked in the current cycle",
}


@service("payroll.open_cycle", needs=Permission.RUN_PAYROLL)
def open_cycle(
    *, actor: Actor, ends_at: object, starts_at: object = None, key: str | None = None
) -> PayCycle:
    """Open the next cycle, as a draft. It starts where the last one ended; the first one with the
    first row of the ledger, or now. The end is no longer part of it."""
    last = PayCycle.objects.last_opened()
    ends = validation.moment(ends_at, "ends_at")
    starts = _first_moment() if last is None else last.ends_at
    if starts_at is not None:
        starts = validation.moment(starts_at, "starts_at")
        if last is not None and starts < last.ends_at:
            raise InvalidInput(
                f"starts_at must not be before {last} ends, {_shown(last.ends_at)}.",
                field="starts_at",
            )
    if ends <= starts:
        raise InvalidInput(
            f"ends_at must be after the cycle starts, {_shown(starts)}.", field="ends_at"
        )
    return open_numbered(last.number + 1 if last else 1, starts, ends)


@service("payroll.compute_cycle", needs=Permission.RUN_PAYROLL)
def compute_cycle(*, actor: Actor, cycle: PayCycle, key: str | None = None) -> PayCycle:
    """Write the payslips of a draft, from what is in force at its end and what its rows of the
    ledger moved. What comes later is booked in the next cycle."""
    _require_primary(f"Computing {cycle}")
    _require(cycle, "computed", PayCycleState.DRAFT)
    _require_earlier(cycle, "computed", PayCycleState.POSTED, PayCycleState.CLOSED)
    write_payslips(cycle)
    return cycle


@service("payroll.reopen_cycle", needs=Permission.RUN_PAYROLL)
def reopen_cycle(*, actor: Actor, cycle: PayCycle, reason: str, key: str | None = None) -> PayCycle:
    """Make a computed or approved cycle a draft again: its payslips go, rows of the ledger are
    booked in it again."""
    note = validation.text(reason, "reason", max_length=500)
    _require_primary(f"Re-opening {cycle}")
    _require(cycle, "re-opened", PayCycleState.COMPUTED, PayCycleState.APPROVED)
    move(cycle, PayCycleState.DRAFT, note)
    while doomed := list(Payslip.objects.filter(cycle=cycle.pk)[:CHUNK]):
        rows.delete_many(list(PayslipLine.objects.filter(payslip__in=doomed)))
        rows.delete_many(doomed)
    return cycle


@service("payroll.approve_cycle", needs=Permission.RUN_PAYROLL)
def approve_cycle(
    *, actor: Actor, cycle: PayCycle, note: str = "", key: str | None = None
) -> PayCycle:
    """Agree to the payslips as they are. A person does, and another one than computed them; raises
    `SelfApproval`."""
    said = validation.text(note, "note", max_length=500, required=False)
    _require_primary(f"Approving {cycle}")
    if actor.kind is not ActorKind.USER:
        raise PermissionRefused(
            "A person approves a pay cycle: sign in, or name the user with run_payroll --as."
        )
    _require(cycle, "approved", PayCycleState.COMPUTED)
    steps = PayCycleStep.objects.of_cycle(cycle)
    computed = steps.filter(state=PayCycleState.COMPUTED).first()
    if computed and (computed.actor_kind, computed.actor_id) == (actor.kind, actor.id):
        raise SelfApproval(
            f"{actor.name} computed {cycle}, so somebody else with the role payroll or admin has "
            "to approve it."
        )
    move(cycle, PayCycleState.APPROVED, said)
    return cycle


@service("payroll.post_cycle", needs=Permission.RUN_PAYROLL)
def post_cycle(*, actor: Actor, cycle: PayCycle, key: str | None = None) -> PayCycle:
    """Pay what the payslips of an approved cycle say, and recover debts. Raises `DebtChanged`."""
    _require_primary(f"Posting {cycle}")
    _require(cycle, "posted", PayCycleState.APPROVED)
    pay_salaries(cycle)
    return cycle


@service("payroll.close_cycle", needs=Permission.RUN_PAYROLL)
def close_cycle(*, actor: Actor, cycle: PayCycle, key: str | None = None) -> PayCycle:
    """Seal the ledger of a posted cycle; nothing is booked in it any more."""
    _require_primary(f"Closing {cycle}")
    _require(cycle, "closed", PayCycleState.POSTED)
    _require_earlier(cycle, "closed", PayCycleState.CLOSED)
    seal_and_turn_over(cycle)
    return cycle


# What each step does once it is allowed; inside the caller's unit.


def open_numbered(
    number: int, starts: datetime, ends: datetime, *, is_sample: bool = False
) -> PayCycle:
    cycle = rows.insert(
        PayCycle(
            id=natural_id("pay cycle", number),
            number=number,
            starts_at=starts,
            ends_at=ends,
            is_sample=is_sample,
        )
    )
    _note_step(cycle)
    return cycle


def move(cycle: PayCycle, state: PayCycleState, note: str = "") -> None:
    """Raises `Conflict` if somebody else moved it since it was read."""
    rows.change(cycle, state=state)
    _note_step(cycle, note)


def write_payslips(cycle: PayCycle) -> None:
    # in this order: what is being booked in the cycle is waited for, or goes into the next
    move(cycle, PayCycleState.COMPUTED)
    _open_after(cycle)
    company = Company(cycle)
    for agents in company.in_chunks():
        payslips, lines = [], []
        for agent in agents:
            pay = pay_of(
                agent.terms,
                bonuses=agent.bonuses,
                tasks=agent.tasks,
                rating=agent.rating,
                movements=agent.movements,
                debt=agent.debt,
            )
            if pay.lines:
                payslip = _payslip(cycle, agent.id, pay)
                payslips.append(payslip)
                lines += _lines(payslip, pay)
        rows.insert_many(payslips)
        rows.insert_many(lines)


def pay_salaries(cycle: PayCycle) -> None:
    move(cycle, PayCycleState.POSTED)
    payslips = list(
        Payslip.objects.of_cycle(cycle)
        .filter(Q(due__gt=0) | Q(recovered__gt=0))
        .select_related("agent")
        .only("due", "recovered", "agent__name", "agent__project")
    )
    payroll = company_account(AccountKind.PAYROLL)
    postings = []
    for chunk in _chunks(payslips):
        wallets = accounts_of([payslip.agent for payslip in chunk], AccountKind.WALLET)
        debts = _debts([payslip for payslip in chunk if payslip.recovered])
        for payslip in chunk:
            own, key = wallets[payslip.agent_id], str(payslip.pk)
            postings.append(
                Posting(
                    agent=payslip.agent,
                    source=payroll,
                    target=own,
                    amount=payslip.due + payslip.recovered,
                    transaction_type=TransactionType.SALARY,
                    description=f"Salary of {cycle}",
                    source_kind="payslip",
                    source_key=key,
                    cycle=cycle.number,
                )
            )
            if payslip.recovered:
                postings.append(
                    Posting(
                        agent=payslip.agent,
                        source=own,
                        target=debts[payslip.agent_id],
                        amount=payslip.recovered,
                        transaction_type=TransactionType.TRANSFER,
                        description=f"Recovery of the debt in {cycle}",
                        source_kind="recovery",
                        source_key=key,
                        cycle=cycle.number,
                    )
                )
    if postings:
        post(postings)


def seal_and_turn_over(cycle: PayCycle) -> None:
    move(cycle, PayCycleState.CLOSED)
    seal(cycle)
    _open_after(cycle)
    Agent.objects.update(current_pay_cycle=cycle.number + 1)


def _require(cycle: PayCycle, what: str, *states: PayCycleState) -> None:
    """The cycle is in one of these states, and is what the caller saw. Locks it."""
    found = PayCycle.objects.select_for_update().filter(pk=cycle.pk).first()
    if found is None:
        raise PayCycleNotFound(f"There is no {cycle} any more.", field="cycle")
    if found.state not in states:
        raise CycleOutOfOrder(
            f"Pay {cycle} is {found.state} and cannot be {what}: "
            f"{_NEXT[PayCycleState(found.state)]}.",
            field="cycle",
            details={"state": found.state},
        )
    if found.version != cycle.version:
        raise Conflict(
            f"Somebody else moved {cycle} meanwhile; look at it again and repeat.", field="cycle"
        )


def _require_earlier(cycle: PayCycle, what: str, *states: PayCycleState) -> None:
    """In the order of their numbers: a debt is recovered once, a seal follows the one before."""
    behind = PayCycle.objects.before(cycle).exclude(state__in=states).first()
    if behind is not None:
        raise CycleOutOfOrder(
            f"Pay {cycle} cannot be {what} while {behind} is {behind.state}: "
            f"{_NEXT[PayCycleState(behind.state)]}.",
            field="cycle",
            details={"state": behind.state},
        )


def _require_primary(what: str) -> None:
    """The unit's own side counts: a unit that runs again on the copy must not pay there what it
    may have paid on SQL Server."""
    unit = open_unit()
    if not unit.side.is_copy:
        return
    switches = mode_file().history()
    left = next((switch.at for switch in switches if switch.before is Mode.PRIMARY), None)
    since = f" since {_shown(datetime.fromtimestamp(left, UTC))}" if left else ""
    tried = " and has not said whether it did this" if unit.outermost.may_be_second else ""
    raise Unavailable(
        f"{what} is done on SQL Server only, which this host has been away from{since}{tried}. "
        "Repeat it when SQL Server is back: it is done once.",
        retry_after_s=60,
    )


def _open_after(cycle: PayCycle) -> None:
    """The next one, of the same length, unless it is there."""
    if PayCycle.objects.filter(number__gt=cycle.number).exists():
        return
    try:
        ends = cycle.ends_at + (cycle.ends_at - cycle.starts_at)
    except OverflowError:
        raise InvalidInput(
            f"A cycle as long as {cycle} cannot follow it; open a shorter one first.",
            field="cycle",
        ) from None
    open_numbered(cycle.number + 1, cycle.ends_at, ends, is_sample=cycle.is_sample)


def _first_moment() -> datetime:
    first = RodCoinsTransaction.objects.order_by("created_at").first()
    return min(first.created_at, open_unit().now) if first else open_unit().now


def _note_step(cycle: PayCycle, note: str = "") -> None:
    happened = open_unit().now
    latest = PayCycleStep.objects.of_cycle(cycle).first()
    if latest is not None:
        # whatever a host's clock says, the latest step is the one made last
        happened = max(happened, latest.happened_at + timedelta(microseconds=1))
    rows.insert(
        PayCycleStep(
            id=natural_id("pay cycle step", cycle.pk, happened.isoformat()),
            cycle_id=cycle.pk,
            state=cycle.state,
            note=note,
            happened_at=happened,
        )
    )


def _payslip(cycle: PayCycle, agent: UUID, pay: Pay) -> Payslip:
    return Payslip(
        id=natural_id("payslip", cycle.number, agent),
        cycle_id=cycle.pk,
        agent_id=agent,
        net=pay.net,
        due=pay.due,
        recovered=pay.recovered,
    )


def _lines(payslip: Payslip, pay: Pay) -> list[PayslipLine]:
    return [
        PayslipLine(
            id=natural_id("payslip line", payslip.pk, position),
            payslip_id=payslip.pk,
            position=position,
            kind=line.kind,
            label=line.label,
            basis=line.basis,
            amount=line.amount,
            transaction_id=line.transaction,
        )
        for position, line in enumerate(pay.lines, start=1)
    ]


def _debts(payslips: Sequence[Payslip]) -> dict[UUID, LedgerAccount]:
    """The debt accounts of these payslips' agents, locked. A reversal may have paid one back since
    the payslips were computed."""
    owing = LedgerAccount.objects.select_for_update().filter(
        kind=AccountKind.DEBT, agent__in=[payslip.agent_id for payslip in payslips]
    )
    accounts = {account.agent_id: account for account in owing if account.agent_id}
    for payslip in payslips:
        account = accounts.get(payslip.agent_id)
        owed = -(account.balance or 0) if account else 0
        if owed < payslip.recovered:
            raise DebtChanged(
                f"{payslip.agent} owes {owed} RodCoins now, and the payslip recovers "
                f"{payslip.recovered}; re-open the cycle and compute it again.",
                field="cycle",
            )
    return accounts


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
