from datetime import timedelta

import pytest
from django.utils import timezone

from agents.errors import MessageNotFound
from agents.models import Discussion
from agents.services.discussions import (
    NewMessage,
    acknowledge,
    find_message,
    judge,
    post_message,
    post_messages,
    reply,
)
from rodcorp.errors import InvalidInput, PermissionRefused

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(make_agent):
    return make_agent("Ada", project="apollo")


@pytest.fixture
def post(system, ada):
    def post(message="The build is green.", **options):
        options = {"topic": "builds", "agent": ada, **options}
        return post_message(actor=system, message=message, **options)

    return post


def test_a_message_starts_a_thread_in_its_authors_project(post):
    message = post()
    assert (message.thread_id, message.project, message.participant) == (
        message.pk,
        "apollo",
        "Ada",
    )


def test_a_reply_stays_in_thread_topic_and_priority(post, make_agent, system):
    root = post(priority="urgent")
    answer = reply(actor=system, to=root, message="On it.", agent=make_agent("Eve"))
    deeper = reply(actor=system, to=answer, message="Thanks.", agent=root.agent)
    assert (deeper.thread_id, deeper.reply_to_id) == (root.pk, answer.pk)
    assert (deeper.topic, deeper.priority) == ("builds", 40)
    assert list(Discussion.objects.in_thread(root.pk)) == [root, answer, deeper]


def test_a_person_speaks_under_their_own_name(admin):
    message = post_message(actor=admin.as_actor(), topic="hello", message="Hi.")
    assert (message.agent, message.participant, message.actor_kind) == (None, "root", "user")


def test_an_agent_does_not_speak_for_another(post, make_agent, ada):
    eve = make_agent("Eve")
    with pytest.raises(PermissionRefused):
        post_message(actor=eve.as_actor(), topic="x", message="I am Ada", agent=ada)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Great work, I love it!", "positive"),
        ("This is a terrible, broken mess.", "negative"),
        ("The file has 12 lines.", "neutral"),
    ],
)
def test_sentiment_is_judged_when_it_is_not_given(post, text, word):
    message = post(text)
    assert message.sentiment == word
    assert (message.sentiment_score > 0) == (word == "positive")


def test_a_given_sentiment_stands(post):
    message = post("This is terrible.", sentiment="Constructive")
    assert (message.sentiment, message.sentiment_score) == ("constructive", None)


def test_judging_reads_only_the_beginning_of_a_long_text():
    assert judge("good " * 400 + "terrible " * 4000)[0] == "positive"


def test_topics_are_found_whatever_their_case(post):
    post(topic="Release 1.0")
    assert Discussion.objects.on_topic(" release 1.0").count() == 1


def test_recent_is_newest_first(post):
    first, second = post("one"), post("two")
    assert list(Discussion.objects.recent()) == [second, first]


def test_the_first_acknowledgement_stands_and_is_in_the_history(post, admin, system):
    message = post()
    acknowledge(actor=admin.as_actor(), message=message)
    acknowledge(actor=system, message=message)
    message.refresh_from_db()
    assert message.acknowledged_by == "root"
    assert [row.actor_name for row in message.history.all()] == ["root"]


def test_a_message_names_who_wrote_the_row(post):
    message = post()
    assert (message.actor_kind, message.actor_name) == ("system", "test")
    assert message.history.count() == 0


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("topic", "t" * 201, "topic is 201 characters long; at most 200"),
        ("topic", "two\nlines", "U\\+000A"),
        ("message", "bell \x07", "U\\+0007"),
        ("message", "\ud800", "U\\+D800"),
        ("message", "   ", "message must not be empty"),
        ("message", "x" * 20_001, "at most 20000"),
        ("priority", "asap", "low \\(10\\), normal \\(20\\), high \\(30\\), urgent \\(40\\)"),
        ("priority", 25, "urgent \\(40\\)"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(system, ada, field, value, said):
    values = {"topic": "t", "message": "m", field: value}
    with pytest.raises(InvalidInput, match=said):
        post_message(actor=system, agent=ada, **values)
    assert not Discussion.objects.exists()


def test_length_is_counted_as_sql_server_counts(system, ada):
    post_message(actor=system, agent=ada, topic="🙂" * 100, message="m")
    with pytest.raises(InvalidInput, match="topic is 202"):
        post_message(actor=system, agent=ada, topic="🙂" * 101, message="m")


def test_many_messages_are_all_or_none(system, ada):
    messages = [NewMessage("t", "fine", ada), NewMessage("t", "", ada)]
    with pytest.raises(InvalidInput):
        post_messages(actor=system, messages=messages)
    assert not Discussion.objects.exists()


def test_a_message_from_the_future_is_refused(system, ada):
    tomorrow = timezone.now() + timedelta(days=1)
    with pytest.raises(InvalidInput, match="future"):
        post_messages(actor=system, messages=[NewMessage("t", "m", ada, posted_at=tomorrow)])


def test_an_unknown_message_is_said_to_be_unknown():
    with pytest.raises(MessageNotFound):
        find_message("6f1c54a4-6a3b-5b0e-9a53-2f0f6f1d7c11")
    with pytest.raises(InvalidInput, match="message_id must be a UUID"):
        find_message("7")
