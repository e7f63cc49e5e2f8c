"""The sample company's money: awards, a finished pay cycle, and the ratings pay follows."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import NamedTuple

from agents.models import Agent
from payroll.models import (
    AccountKind,
    Evaluation,
    LineKind,
    PayCycle,
    PayCycleState,
    PayrollMaster,
    Payslip,
    PayslipLine,
    TransactionType,
)
from payroll.services.ledger import (
    NewAward,
    Posting,
    accounts_of,
    award_many,
    company_account,
    post,
    reverse_transaction,
)
from rodcorp.databases.ids import natural_id
from rodcorp.kit import rows
from rodcorp.operations.sample.company import SALARIES
from rodcorp.operations.sample.rewards import AWARDS, EVALUATIONS, REVERSALS, TRANSFERS
from rodcorp.operations.sample.script import (
    ANCHOR,
    Salary,
    SampleAward,
    SampleEvaluation,
    SampleReversal,
    SampleTransfer,
    at,
)
from rodcorp.operations.sample.story import STORYTELLER, Event, Story

_CYCLES = {1: (ANCHOR, at(14, "00:00")), 2: (at(14, "00:00"), at(28, "00:00"))}


def money(story: Story) -> Iterator[Event]:
    yield Event(ANCHOR, partial(_open_cycle, 1))
    yield Event(ANCHOR, partial(_agree_salaries, story))
    yield Event(at(14, "08:00"), partial(_advance, PayCycleState.COMPUTED))
    yield Event(at(14, "09:00"), partial(_advance, PayCycleState.APPROVED))
    yield Event(at(14, "10:00"), partial(_pay_salaries, story))
    yield Event(at(14, "10:30"), partial(_turn_over, story))
    for award in AWARDS:
        yield Event(award.when, partial(_award, story, award))
    for reversal in REVERSALS:
        yield Event(reversal.when, partial(_reverse, story, reversal))
    for transfer in TRANSFERS:
        yield Event(transfer.when, partial(_transfer, story, transfer))


def judge_agents(story: Story) -> None:
    """Insert the evaluations with the ratings that followed from them. Their service would give
    each an id of the open unit, another one at every load."""
    scores: dict[str, list[Decimal]] = defaultdict(list)
    evaluations = []
    for sample in sorted(EVALUATIONS, key=lambda sample: sample.when):
        past = scores[sample.agent]
        past.append(Decimal(sample.score))
        rating = (sum(past, Decimal(0)) / len(past)).quantize(Decimal("0.01"))
        story.agents[sample.agent].performance_rating = rating
        evaluations.append(_evaluation(story, sample, rating))
    rows.insert_many(evaluations)
    Agent.objects.bulk_update(story.agents.values(), ["performance_rating"])


def _evaluation(story: Story, sample: SampleEvaluation, rating: Decimal) -> Evaluation:
    agent, evaluator = story.agents[sample.agent], story.agents[sample.evaluator]
    return Evaluation(
        id=natural_id("sample evaluation", sample.agent, sample.evaluator, sample.when),
        agent=agent,
        score=Decimal(sample.score),
        evaluator_kind="agent",
        evaluator_id=evaluator.pk,
        evaluator_name=evaluator.name,
        notes=sample.notes,
        rating_after=rating,
        evaluated_at=sample.when,
    )


def _award(story: Story, award: SampleAward) -> None:
    new = NewAward(
        story.agents[award.agent],
        award.amount,
        award.description,
        award.transaction_type,
        key=f"sample/{award.slug}",
    )
    [story.awards[award.slug]] = award_many(actor=STORYTELLER, awards=[new])


def _reverse(story: Story, reversal: SampleReversal) -> None:
    reverse_transaction(
        actor=STORYTELLER, transaction=story.awards[reversal.award], reason=reversal.reason
    )


def _transfer(story: Story, transfer: SampleTransfer) -> None:
    """Posted here because the service's own key would leave a marker that outlives the row."""
    source, target = story.agents[transfer.source], story.agents[transfer.target]
    wallets = accounts_of([source, target], AccountKind.WALLET)
    post(
        [
            Posting(
                agent=source,
                source=wallets[source.pk],
                target=wallets[target.pk],
                amount=transfer.amount,
                transaction_type=TransactionType.TRANSFER,
                description=transfer.description,
                source_kind="transfer",
                source_key=f"sample/{transfer.slug}",
            )
        ]
    )


def _open_cycle(number: int) -> None:
    starts_at, ends_at = _CYCLES[number]
    rows.insert(
        PayCycle(
            id=natural_id("pay cycle", number),
            number=number,
            starts_at=starts_at,
            ends_at=ends_at,
            is_sample=True,
        )
    )


def _advance(state: PayCycleState) -> None:
    rows.change(PayCycle.objects.get(number=1), state=state)


def _agree_salaries(story: Story) -> None:
    rows.insert_many(
        [
            PayrollMaster(
                id=natural_id("payroll", story.agents[name].pk, ANCHOR),
                agent=story.agents[name],
                base_salary=salary.base,
                seniority_multiplier=Decimal(salary.seniority),
                performance_multiplier=Decimal(salary.performance),
                bonus=salary.bonus,
                effective_from=ANCHOR,
            )
            for name, salary in SALARIES.items()
        ]
    )


def _pay_salaries(story: Story) -> None:
    """Post every salary from the payroll account, with the payslip that explains it."""
    cycle = PayCycle.objects.get(number=1)
    payroll = company_account(AccountKind.PAYROLL)
    wallets = accounts_of(list(story.agents.values()), AccountKind.WALLET)
    payslips, lines, postings = [], [], []
    for name, salary in SALARIES.items():
        agent = story.agents[name]
        explained = payslip_lines(salary)
        payslip = Payslip(
            id=natural_id("payslip", cycle.number, agent.pk),
            cycle=cycle,
            agent=agent,
            net=sum(line.amount for line in explained),
            due=sum(line.amount for line in explained),
        )
        payslips.append(payslip)
        lines += [
            PayslipLine(
                id=natural_id("payslip line", payslip.pk, position),
                payslip=payslip,
                position=position,
                kind=line.kind,
                label=line.label,
                amount=line.amount,
            )
            for position, line in enumerate(explained, start=1)
        ]
        postings.append(
            Posting(
                agent=agent,
                source=payroll,
                target=wallets[agent.pk],
                amount=payslip.net,
                transaction_type=TransactionType.SALARY,
                description=f"Salary of {cycle}",
                source_kind="payslip",
                source_key=str(payslip.pk),
            )
        )
    post(postings)
    rows.insert_many(payslips)
    rows.insert_many(lines)
    _advance(PayCycleState.POSTED)


class Line(NamedTuple):
    kind: LineKind
    label: str
    amount: int


def payslip_lines(salary: Salary) -> list[Line]:
    """Why a salary is what it is: the base, what each multiplier adds to it, the bonus."""
    graded = _coins(salary.base * Decimal(salary.seniority))
    performed = _coins(graded * Decimal(salary.performance))
    lines = [
        Line(LineKind.BASE, "Base salary", salary.base),
        Line(LineKind.SENIORITY, f"Seniority × {salary.seniority}", graded - salary.base),
        Line(LineKind.PERFORMANCE, f"Performance × {salary.performance}", performed - graded),
        Line(LineKind.BONUS, "Bonus of the cycle", salary.bonus),
    ]
    return [line for line in lines if line.amount]


def _coins(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _turn_over(story: Story) -> None:
    """Close the cycle and open the next, in which everything from now on is booked."""
    _advance(PayCycleState.CLOSED)
    _open_cycle(2)
    agents = list(story.agents.values())
    for agent in agents:
        agent.current_pay_cycle = 2
    rows.change_many(agents, ["current_pay_cycle"])
