"""A conversation to look at."""

import pytest

from agents.services.discussions import post_message, reply


@pytest.fixture
def ada(make_agent):
    return make_agent("Ada", project="apollo")


@pytest.fixture
def start(system, ada):
    """Start a thread: `start("builds")`."""

    def start(topic="builds", message="The build is green.", **options):
        options = {"agent": ada, **options}
        return post_message(actor=system, topic=topic, message=message, **options)

    return start


@pytest.fixture
def answer(system, ada):
    def answer(to, message="Noted.", **options):
        options = {"agent": ada, **options}
        return reply(actor=system, to=to, message=message, **options)

    return answer
