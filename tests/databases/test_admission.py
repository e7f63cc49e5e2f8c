"""What SQL Server would refuse is refused while the copy stands in for it, and only then."""

from decimal import Decimal

import pytest

from agents.models import Agent, AgentSkill
from payroll.models import LedgerAccount
from rodcorp.databases import switching
from rodcorp.databases.admission import admit
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Conflict, InvalidInput
from rodcorp.kit import rows
from rodcorp.people.models import User


@pytest.fixture
def insert(company, system):
    """Insert rows in one unit, on the copy."""
    switching.to_copy("test")

    def unit(*wanted):
        run_in_unit(lambda unit: rows.insert_many(list(wanted)), actor=system, operation="test")

    return unit


def agent(name="Ada", project="p", **values):
    return Agent(name=name, project=project, machine_hostname="h", machine_ip="::1", **values)


def test_a_text_that_fits_is_written(company, insert):
    insert(agent("x" * 100))
    assert company.on("sqlite", Agent) == 1


@pytest.mark.parametrize("name", ["x" * 101, "\N{GRINNING FACE}" * 51])
def test_a_text_that_is_too_long_in_utf16_is_refused(company, insert, name):
    with pytest.raises(InvalidInput, match="at most 100") as refused:
        insert(agent(name))
    assert refused.value.field == "name"
    assert company.on("sqlite", Agent) == 0
    assert company.journal() == []


def test_a_nul_character_is_refused(company, insert):
    with pytest.raises(InvalidInput, match="NUL"):
        insert(agent(team="a\x00b"))


@pytest.mark.parametrize("port", [2**31, -(2**31) - 1])
def test_an_integer_out_of_range_is_refused(company, insert, port):
    with pytest.raises(InvalidInput, match="communication_port must be from"):
        insert(agent(communication_port=port))


def test_a_decimal_with_too_many_digits_is_refused(company, insert):
    with pytest.raises(InvalidInput, match="at most 1 digits before the point"):
        insert(agent(performance_rating=Decimal("10.00")))


def test_names_that_differ_in_the_case_of_a_letter_beyond_ascii_clash(company, insert, system):
    insert(_user("Änne"))
    with pytest.raises(Conflict, match="is taken") as refused:
        insert(_user("änne"))
    assert refused.value.field == "username"
    assert company.on("sqlite", User) == 1


def test_two_such_names_in_one_unit_clash(company, insert):
    with pytest.raises(Conflict, match="is taken"):
        insert(_user("Änne"), _user("änne"))
    assert company.on("sqlite", User) == 0


def test_the_same_name_in_another_group_is_no_clash(company, insert):
    one, two = agent("Ada"), agent("Grace")
    insert(one, two)
    insert(
        AgentSkill(agent=one, skill="Müll", level=1), AgentSkill(agent=two, skill="müll", level=1)
    )
    assert company.on("sqlite", AgentSkill) == 2


def test_a_change_is_looked_at_too(company, insert, system):
    ada = agent()
    insert(ada)
    with pytest.raises(InvalidInput, match="team is 101"):
        run_in_unit(lambda unit: rows.change(ada, team="x" * 101), actor=system, operation="test")


def test_a_missing_parent_is_refused_by_the_copy_itself(company, insert):
    from django.db import IntegrityError

    with pytest.raises(IntegrityError):
        insert(LedgerAccount(kind="wallet", agent_id=agent().pk))
    assert company.on("sqlite", LedgerAccount) == 0


def test_on_the_primary_nothing_is_asked(company, system, monkeypatch):
    monkeypatch.setattr(rows, "admit", None)
    run_in_unit(lambda unit: rows.insert(agent()), actor=system, operation="test")
    assert company.where(Agent) == (1, 0)


def test_nothing_is_looked_at_where_there_are_no_rows():
    admit([], ["name"])


def _user(name):
    return User(username=name, password="!", role="viewer")
