"""The sample company's money: awards, a finished pay cycle, and the ratings pay follows."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial

from payroll.derived.ratings import (
    MANUAL,
    Judgement,
    move_ratings,
    points_of,
    shrunk_rating,
)
from payroll.models import (
    AccountKind,
    BonusRule,
    Evaluation,
    Observation,
    PayCycle,
    PayCycleState,
    PayrollMaster,
    PayScale,
    PerformanceBand,
    TransactionType,
)
from payroll.services import cycles
from payroll.services.ledger import (
    NewAward,
    Posting,
    accounts_of,
    award_many,
    post,
    reverse_transaction,
)
from rodcorp.databases.ids import natural_id
from rodcorp.databases.units import open_unit
from rodcorp.kit import rows
from rodcorp.operations.sample.company import (
    BONUS_RULES,
    PAY_SCALES,
    PERFORMANCE_BANDS,
    SALARIES,
)
from rodcorp.operations.sample.rewards import AWARDS, EVALUATIONS, REVERSALS, TRANSFERS
from rodcorp.operations.sample.script import (
    ANCHOR,
    COMPUTED,
    SampleAward,
    SampleEvaluation,
    SampleReversal,
    SampleTransfer,
    at,
)
from rodcorp.operations.sample.story import STORYTELLER, Event, Story


def money(story: Story) -> Iterator[Event]:
    yield Event(ANCHOR, _open_cycle)
    yield Event(ANCHOR, _agree_scales)
    yield Event(ANCHOR, partial(_agree_salaries, story))
    yield Event(COMPUTED, partial(_step, cycles.write_payslips))
    yield Event(at(14, "09:00"), partial(_step, _approve))
    yield Event(at(14, "10:00"), partial(_step, cycles.pay_salaries))
    yield Event(at(14, "10:30"), partial(_turn_over, story))
    for award in AWARDS:
        yield Event(award.when, partial(_award, story, award))
    for reversal in REVERSALS:
        yield Event(reversal.when, partial(_reverse, story, reversal))
    for transfer in TRANSFERS:
        yield Event(transfer.when, partial(_transfer, story, transfer))


def judge_agents(story: Story) -> None:
    """Insert the evaluations with the ratings that followed from them and from what was observed
    until then. Their service would give each an id of the open unit, another one at every load."""
    judged = [
        (sample.when, Judgement(story.agents[sample.agent].pk, MANUAL, Decimal(sample.score)))
        for sample in EVALUATIONS
    ]
    observed = Observation.objects.filter(agent__in=list(story.agents.values()))
    seen = [(row.observed_at, Judgement(row.agent_id, row.kind, row.score)) for row in observed]
    evaluations = []
    for sample in sorted(EVALUATIONS, key=lambda sample: sample.when):
        agent = story.agents[sample.agent]
        past = [
            points_of(each.score)
            for when, each in judged + seen
            if each.agent_id == agent.pk and when <= sample.when
        ]
        evaluations.append(_evaluation(story, sample, shrunk_rating(len(past), sum(past))))
    rows.insert_many(evaluations)
    ratings = move_ratings(open_unit().alias, [judgement for _, judgement in judged])
    for agent in story.agents.values():
        agent.performance_rating = ratings.get(agent.pk, agent.performance_rating)


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


def _open_cycle() -> None:
    cycles.open_numbered(1, ANCHOR, at(14, "00:00"), is_sample=True)


def _step(make: Callable[[PayCycle], None]) -> None:
    """What the service of a step does, without asking who may: the story has no users."""
    make(PayCycle.objects.get(number=1))


def _approve(cycle: PayCycle) -> None:
    cycles.move(cycle, PayCycleState.APPROVED, "Compared with what was agreed in October")


def _turn_over(story: Story) -> None:
    _step(cycles.seal_and_turn_over)
    for agent in story.agents.values():
        agent.current_pay_cycle = 2


def _agree_scales() -> None:
    rows.insert_many(
        [
            PayScale(
                id=natural_id("pay scale", level),
                level=level,
                base_salary=base,
                seniority_multiplier=Decimal(multiplier),
            )
            for level, (base, multiplier) in PAY_SCALES.items()
        ]
    )
    rows.insert_many(
        [
            PerformanceBand(
                id=natural_id("performance band", Decimal(minimum)),
                minimum=Decimal(minimum),
                multiplier=Decimal(multiplier),
            )
            for minimum, multiplier in PERFORMANCE_BANDS.items()
        ]
    )


def remove_scales() -> None:
    """Those nobody changed since the story agreed on them; the others are somebody's own by now."""
    models: tuple[type[PayScale] | type[PerformanceBand], ...] = (PayScale, PerformanceBand)
    for model in models:
        images = model.history.all()
        told = images.filter(actor_kind=STORYTELLER.kind, actor_id=STORYTELLER.id)
        changed = images.exclude(pk__in=told.values("pk"))
        untouched = model._base_manager.filter(pk__in=told.values("id"))
        rows.delete_many(untouched.exclude(pk__in=changed.values("id")))


def _agree_salaries(story: Story) -> None:
    rows.insert_many(
        [
            PayrollMaster(
                id=natural_id("salary", story.agents[name].pk, ANCHOR.isoformat()),
                agent=story.agents[name],
                base_salary=salary.base,
                seniority_multiplier=_agreed(salary.seniority),
                performance_multiplier=_agreed(salary.performance),
                bonus=salary.bonus,
                effective_from=ANCHOR,
            )
            for name, salary in SALARIES.items()
        ]
    )
    rows.insert_many(
        [
            BonusRule(
                id=natural_id("sample bonus rule", story.agents[rule.agent].pk, rule.label),
                agent=story.agents[rule.agent],
                kind=rule.kind,
                label=rule.label,
                amount=rule.amount,
                threshold=_agreed(rule.threshold),
                effective_from=ANCHOR,
            )
            for rule in BONUS_RULES
        ]
    )


def _agreed(number: str | None) -> Decimal | None:
    return None if number is None else Decimal(number)
