"""The sample company's tasks and their reviews."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import groupby

from agents.models import Agent
from payroll.models import TransactionType
from payroll.services.ledger import NewAward, award_many
from rodcorp.databases.ids import natural_id
from rodcorp.kit import rows
from rodcorp.operations.sample.backlog import DEPENDENCIES, TASKS
from rodcorp.operations.sample.script import (
    REWARDS,
    THE_END,
    HandOver,
    Judgement,
    Move,
    SampleTask,
    Step,
)
from rodcorp.operations.sample.story import STORYTELLER, Event, Story, dated
from rodcorp.operations.sample.talking import thread_id
from tasks.models import Review, ReviewState, Task, TaskStatus, Verdict
from tasks.services.creation import NewDependency, NewTask, add_dependencies, create_tasks
from tasks.services.observing import observe_quality, observe_review
from tasks.services.work import assign_task, update_task_status

# Where a verdict that does not approve sends the task; both take its reward back.
_SENDS_TO = {
    Verdict.CHANGES_REQUESTED: TaskStatus.IN_PROGRESS,
    Verdict.REJECTED: TaskStatus.CANCELLED,
}


def work(story: Story) -> Iterator[Event]:
    by_creation = sorted(TASKS, key=lambda sample: sample.created)
    for created, together in groupby(by_creation, key=lambda sample: sample.created):
        yield Event(created, partial(_create, story, list(together)))
    for sample in TASKS:
        for step in sample.steps:
            yield Event(step.when, partial(_take_step, story, sample.slug, step))
    yield Event(THE_END, partial(_connect, story))


def _create(story: Story, samples: Sequence[SampleTask]) -> None:
    new = [_new_task(story, sample) for sample in samples]
    made = create_tasks(actor=STORYTELLER, tasks=new, is_sample=True)
    story.tasks.update(zip((sample.slug for sample in samples), made, strict=True))


def _new_task(story: Story, sample: SampleTask) -> NewTask:
    return NewTask(
        sample.description,
        agent=story.agents[sample.agent] if sample.agent else None,
        project=sample.project,
        title=sample.title,
        priority=sample.priority,
        due_date=sample.due,
        reward=REWARDS[sample.priority],
        labels=sample.labels,
        skills=dict(sample.skills),
        supervisor_notes=sample.note,
        external=("sample", sample.slug),
        thread=thread_id(sample.thread) if sample.thread else None,
    )


def _take_step(story: Story, slug: str, step: Step) -> None:
    task = story.tasks[slug]
    match step:
        case Move():
            update_task_status(
                actor=task.agent.as_actor() if task.agent else STORYTELLER,
                task=task,
                status=step.status,
                completion_percentage=step.percent,
            )
        case HandOver():
            assign_task(actor=STORYTELLER, task=task, agent=story.agents[step.to])
        case Judgement():
            _judge(task, slug, step, reviewer=story.agents[step.reviewer])


def _judge(task: Task, slug: str, step: Judgement, *, reviewer: Agent) -> None:
    judged_round = task.round_number
    review = Review(
        id=natural_id("review", task.pk, judged_round),
        task=task,
        round_number=judged_round,
        version_seen=task.version,
        verdict=step.verdict,
        note=step.note,
        reviewed_at=step.when,
        **dict(
            zip(("correctness", "completeness", "clarity", "evidence"), step.rubric, strict=True)
        ),
    )
    sign = partial(dated, step.when, by=reviewer.as_actor())
    sign(partial(rows.insert, review))
    observe_review(actor=reviewer.as_actor(), review=review)
    if step.verdict in _SENDS_TO:
        update_task_status(actor=STORYTELLER, task=task, status=_SENDS_TO[step.verdict])
    score = (Decimal(sum(step.rubric)) / len(step.rubric)).quantize(Decimal("0.01"))
    sign(partial(rows.change, task, review_state=ReviewState(step.verdict), quality_score=score))
    observe_quality(actor=reviewer.as_actor(), task=task)
    if step.bonus:
        assert task.agent is not None
        bonus = NewAward(
            task.agent,
            step.bonus,
            f"Good work: {task.title}",
            TransactionType.BONUS,
            key=f"sample/quality/{slug}/{judged_round}",
        )
        award_many(actor=STORYTELLER, awards=[bonus])


def _connect(story: Story) -> None:
    add_dependencies(
        actor=STORYTELLER,
        dependencies=[
            NewDependency(
                story.tasks[waiting].pk,
                depends_on=story.tasks[other].pk if other in story.tasks else None,
                external=other,
                kind=kind,
            )
            for waiting, other, kind in DEPENDENCIES
        ],
    )
