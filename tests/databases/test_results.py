from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models import Agent
from rodcorp.databases.results import decode, digest, encode

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.uuids(),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
)
NAMES = st.text().filter(lambda name: not name.startswith("$"))
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner) | st.lists(inner).map(tuple),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_kept_comes_back_as_it_was(value):
    assert decode(encode(value)) == value


def test_a_row_comes_back_with_every_column():
    agent = Agent(id=uuid4(), name="Ada", project="p", performance_rating=Decimal("4.50"))
    again = decode(encode(agent), alias="sqlite")
    assert (again, again.name, again.performance_rating) == (agent, "Ada", Decimal("4.50"))
    assert again._state.db == "sqlite"
    assert not again._state.adding


def test_a_row_is_the_same_request_whatever_became_of_its_columns():
    key = uuid4()
    assert digest({"agent": Agent(id=key, name="A")}) == digest({"agent": Agent(id=key, name="B")})
    assert digest({"agent": Agent(id=key)}) != digest({"agent": Agent(id=uuid4())})


def test_requests_are_compared_by_content_and_not_by_order():
    assert digest({"a": 1, "b": date(2026, 1, 1)}) == digest({"b": date(2026, 1, 1), "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})
    assert digest(datetime(2026, 1, 1, tzinfo=UTC)) != digest(date(2026, 1, 1))


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(TypeError, match="object cannot be kept"):
        encode(object())
