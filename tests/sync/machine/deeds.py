"""What people and agents do, each in one unit, and what each was answered."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from agents.models import Agent, AgentStatus, Discussion
from agents.services.discussions import NewMessage, acknowledge, post_message, post_messages, reply
from agents.services.registry import register_agent, retire_agent
from payroll.services.ledger import award_rodcoins, transfer
from rodcorp.actors import Actor
from rodcorp.errors import Conflict
from rodcorp.kit import rows
from tasks.models import OPEN_STATUSES, Task
from tasks.services.creation import create_task
from tasks.services.work import assign_task, update_task_status

ACTOR = Actor.system("machine")
MACHINE = {"machine_hostname": "h", "machine_ip": "127.0.0.1"}
PLAIN, CLAIMABLE = "A task", "A task to claim"
LEASE = timedelta(days=30)


class Nothing(Conflict):
    """There is nothing yet that this could be done to."""


@dataclass
class Deed:
    """One unit. `began` and `ended` are moments of its first and last attempts that were answered,
    of a clock that only counts. `details` are what its attempts wrote, by their numbers."""

    number: int
    operation: str
    key: str | None
    variant: int
    actor: Actor = ACTOR
    unit: UUID | None = None
    answers: list[dict] = field(default_factory=list)
    details: dict[int, dict] = field(default_factory=dict)
    began: int = 0
    ended: int = 0
    # the host that was asked first
    host: int = 0
    bodies: set[bool] = field(default_factory=set)
    has_written: bool = False
    is_behind: bool = False
    # somebody who asked for it was never answered
    is_open: bool = False
    # why it may be gone
    excuse: str = ""

    @property
    def is_acknowledged(self):
        return bool(self.answers)

    @property
    def word(self):
        return f"{self.operation} {self.number}"

    def do(self, unit):
        return DEEDS[self.operation](self, unit) or {}


def _agent(variant=0):
    known = list(Agent.objects.order_by("name")[:3])
    if not known:
        raise Nothing("There is no agent yet.")
    return known[variant % len(known)]


def _first(found):
    row = found.first()
    if row is None:
        raise Nothing("There is none yet.")
    return row


def register(deed, unit):
    levels = [None, {}, {"python": 1 + deed.number % 9}, {"go": 2, "python": 3}]
    register_agent(
        actor=ACTOR,
        name=f"Agent-{deed.number % 3}",
        skills=levels[deed.variant % 4],
        **MACHINE,
    )


def retire(deed, unit):
    retire_agent(actor=ACTOR, agent=_agent(deed.variant))


def edit(deed, unit):
    agent = _agent()
    rows.change(agent, team=deed.word)
    return {"row": str(agent.pk)}


def award(deed, unit):
    made = award_rodcoins(
        actor=ACTOR,
        agent=_agent(deed.variant),
        amount=7,
        description=deed.word,
        transaction_type="earned",
    )
    return {"row": str(made.pk)}


def spend(deed, unit):
    """Refused when the wallet is short."""
    made = award_rodcoins(
        actor=ACTOR,
        agent=_agent(deed.variant),
        amount=5,
        description=deed.word,
        transaction_type="deduction",
    )
    return {"row": str(made.pk)}


def give(deed, unit):
    source, target = _agent(deed.variant), _agent(deed.variant + 1)
    made = transfer(actor=ACTOR, source=source, target=target, amount=4, description=deed.word)
    return {"row": str(made.pk)}


def say(deed, unit):
    """Whoever does it again says it under another id, as a careless caller would."""
    made = post_messages(actor=ACTOR, messages=[NewMessage("said", deed.word, id=uuid4())])
    return {"row": str(made[0].pk)}


def chat(deed, unit):
    post_message(actor=ACTOR, agent=_agent(deed.variant), topic="chat", message=deed.word)


def speak(deed, unit):
    """As the agent, who may have been retired elsewhere."""
    agent = _agent(deed.variant)
    if agent.status == AgentStatus.RETIRED:
        raise Nothing("A retired agent does not speak.")
    post_message(actor=agent.as_actor(), agent=agent, topic="chat", message=deed.word)


def answer(deed, unit):
    to = _first(Discussion.objects.filter(topic="chat").order_by("posted_at", "pk"))
    reply(actor=ACTOR, to=to, message=deed.word)


def note(deed, unit):
    waiting = Discussion.objects.filter(topic="chat", acknowledged_at=None)
    acknowledge(actor=ACTOR, message=_first(waiting.order_by("posted_at", "pk")))


def remove(deed, unit):
    """A message nobody has answered yet."""
    found = Discussion.objects.filter(topic="chat", replies=None, reply_to=None)
    rows.delete_many([_first(found.order_by("-posted_at", "pk"))], refer_to_each_other=True)


def new_task(deed, unit):
    create_task(actor=ACTOR, agent=_agent(deed.variant), description=PLAIN)


def move(deed, unit):
    statuses = ["in_progress", "completed", "cancelled", "completed", "in_progress", "blocked"]
    found = _first(Task.objects.filter(title=PLAIN).order_by("created_at", "pk"))
    update_task_status(actor=ACTOR, task=found, status=statuses[deed.variant % len(statuses)])


def assign(deed, unit):
    found = Task.objects.filter(title=PLAIN, status__in=OPEN_STATUSES).order_by("created_at", "pk")
    assign_task(actor=ACTOR, task=_first(found), agent=_agent(deed.variant))


def offer(deed, unit):
    create_task(actor=ACTOR, description=CLAIMABLE)


def claim(deed, unit):
    """For so long that no clock of a test comes to its end."""
    task = _first(Task.objects.filter(title=CLAIMABLE).order_by("created_at", "pk"))
    if task.lease_token and task.lease_until > unit.now:
        raise Conflict("Somebody has it.")
    token = unit.new_token()
    rows.change(
        task,
        agent=_agent(deed.variant),
        lease_token=token,
        lease_until=unit.now + LEASE,
        attempt=task.attempt + 1,
    )
    return {"row": str(task.pk), "token": token}


DEEDS = {
    each.__name__: each
    for each in (
        register, retire, edit, award, spend, give, say, chat, speak, answer, note, remove,
        new_task, move, assign, offer, claim,
    )
}  # fmt: skip
