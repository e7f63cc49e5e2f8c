"""The sample company's conversations."""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from agents.services.discussions import NewMessage, acknowledge, post_messages
from rodcorp.databases.ids import natural_id
from rodcorp.operations.sample.conversations import THREADS
from rodcorp.operations.sample.script import THE_END, Said, SampleThread
from rodcorp.operations.sample.story import STORYTELLER, Event, Story, dated, tell


def thread_id(slug: str) -> UUID:
    """A thread is named by its first message."""
    return _message_id(slug, 0)


def talk(story: Story) -> int:
    """Post all messages and acknowledge those that were; returns how many there are."""
    said = [(thread, number) for thread in THREADS for number in range(len(thread.messages))]
    said.sort(key=lambda one: one[0].messages[one[1]].when)
    new = [_message(story, thread, number) for thread, number in said]
    posted = dated(THE_END, partial(post_messages, actor=STORYTELLER, messages=new, is_sample=True))
    by_id = {message.pk: message for message in posted}
    tell(
        Event(
            _noted_at(one),
            partial(
                acknowledge,
                actor=story.agents[one.noted_by].as_actor(),
                message=by_id[_message_id(thread.slug, number)],
            ),
        )
        for thread in THREADS
        for number, one in enumerate(thread.messages)
        if one.noted_by is not None
    )
    return len(posted)


def _message(story: Story, thread: SampleThread, number: int) -> NewMessage:
    said = thread.messages[number]
    answers = None
    if number > 0:
        answers = _message_id(thread.slug, number - 1 if said.answers is None else said.answers)
    return NewMessage(
        thread.topic,
        said.text,
        agent=story.agents[said.who],
        project=thread.project,
        sentiment=said.sentiment,
        priority=said.priority or thread.priority,
        id=_message_id(thread.slug, number),
        thread=thread_id(thread.slug),
        reply_to=answers,
        posted_at=said.when,
    )


def _message_id(slug: str, number: int) -> UUID:
    return natural_id("sample message", slug, number)


def _noted_at(said: Said) -> datetime:
    """A long message takes longer to take in."""
    return said.when + timedelta(minutes=1 + len(said.text) // 100)
