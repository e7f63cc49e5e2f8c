"""Posting, answering and acknowledging messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

from django.conf import settings
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from agents.errors import MessageNotFound
from agents.models import Agent, Discussion
from rodcorp.actors import Actor, Permission
from rodcorp.databases.ids import new_id
from rodcorp.databases.units import open_unit
from rodcorp.errors import InvalidInput
from rodcorp.kit import rows, validation
from rodcorp.kit.priorities import Priority, parse_priority
from rodcorp.kit.services import service

MAX_MESSAGE = 20_000

# VADER is made for short texts and slows down with length; the beginning sets the tone.
_JUDGED = 2_000


@dataclass
class NewMessage:
    """One message of a bulk post. Without an `agent` the actor is the author. `posted_at` dates
    an imported one; `id` lets others of the same call point at it as `thread` or `reply_to`."""

    topic: str
    message: str
    agent: Agent | None = None
    project: str | None = None
    sentiment: str | None = None
    priority: object = Priority.NORMAL
    id: UUID | None = None
    thread: UUID | None = None
    reply_to: UUID | None = None
    posted_at: datetime | None = None


@service("discussions.post", needs=Permission.POST_MESSAGES)
def post_message(
    *,
    actor: Actor,
    topic: str,
    message: str,
    agent: Agent | None = None,
    project: str | None = None,
    sentiment: str | None = None,
    priority: object = Priority.NORMAL,
    key: str | None = None,
) -> Discussion:
    """Start a thread. Without an `agent` it is the actor who speaks. The project is the agent's,
    or the one given, or the default; the sentiment is judged from the text when not given."""
    new = NewMessage(topic, message, agent, project, sentiment, priority)
    return _post(actor, [new])[0]


@service("discussions.reply", needs=Permission.POST_MESSAGES)
def reply(
    *,
    actor: Actor,
    to: Discussion,
    message: str,
    agent: Agent | None = None,
    sentiment: str | None = None,
    priority: object = None,
    key: str | None = None,
) -> Discussion:
    """Answer a message, in its thread, under its topic and (unless given) its priority."""
    new = NewMessage(
        to.topic,
        message,
        agent,
        to.project,
        sentiment,
        to.priority if priority is None else priority,
        thread=to.thread_id,
        reply_to=to.pk,
    )
    return _post(actor, [new])[0]


@service("discussions.post_many", needs=Permission.POST_MESSAGES)
def post_messages(
    *, actor: Actor, messages: Sequence[NewMessage], is_sample: bool = False
) -> list[Discussion]:
    """Post many at once by the same rules; all of them or none."""
    return _post(actor, messages, is_sample=is_sample)


@service("discussions.acknowledge", needs=Permission.POST_MESSAGES)
def acknowledge(*, actor: Actor, message: Discussion) -> Discussion:
    """Note that somebody has taken the message in. The first acknowledgement stands."""
    if message.acknowledged_at is not None:
        return message
    return rows.change(message, acknowledged_at=open_unit().now, acknowledged_by=actor.name[:100])


def find_message(message_id: object) -> Discussion:
    """The message with that id; `MessageNotFound` if there is none."""
    wanted = validation.guid(message_id, "message_id")
    found = Discussion.objects.filter(pk=wanted).first()
    if found is None:
        raise MessageNotFound(f"There is no message {wanted}.", field="message_id")
    return found


def judge(message: str) -> tuple[str, int]:
    """A word (positive, neutral, negative) and VADER's compound score in ten-thousandths.

    The limits at 0.05 are the authors': Hutto and Gilbert, VADER, 2014.
    """
    compound = _analyzer().polarity_scores(message[:_JUDGED])["compound"]
    word = "positive" if compound >= 0.05 else "negative" if compound <= -0.05 else "neutral"
    return word, round(compound * 10_000)


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


def _post(
    actor: Actor, messages: Sequence[NewMessage], *, is_sample: bool = False
) -> list[Discussion]:
    drafts = [_draft(actor, new) for new in messages]
    for draft in drafts:
        draft.is_sample = is_sample
    rows.insert_many(drafts)
    return drafts


def _draft(actor: Actor, new: NewMessage) -> Discussion:
    if new.agent is not None:
        actor.require_own(new.agent.pk)
    text = validation.text(new.message, "message", max_length=MAX_MESSAGE, multiline=True)
    score: int | None = None
    if new.sentiment is None or not new.sentiment.strip():
        sentiment, score = judge(text)
    else:
        sentiment = validation.text(new.sentiment, "sentiment", max_length=50).lower()
    project = new.project or (new.agent.project if new.agent else settings.RODCORP_PROJECT)
    message_id = new.id or new_id()
    now = open_unit().now
    if new.posted_at and new.posted_at > now:
        raise InvalidInput("posted_at must not be in the future.", field="posted_at")
    return Discussion(
        id=message_id,
        agent=new.agent,
        participant=new.agent.name if new.agent else actor.name[:100],
        project=validation.text(project, "project", max_length=100),
        topic=validation.text(new.topic, "topic", max_length=200),
        message=text,
        sentiment=sentiment,
        sentiment_score=score,
        priority=parse_priority(new.priority),
        thread_id=new.thread or message_id,
        reply_to_id=new.reply_to,
        posted_at=new.posted_at or now,
    )
