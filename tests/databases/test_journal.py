import sqlite3

import pytest
from django.db import IntegrityError, connections

from agents.models import Agent
from payroll.models import RodCoinsTransaction
from payroll.services.ledger import award_rodcoins
from rodcorp.databases import journal
from rodcorp.databases.replicated import replicated_models
from rodcorp.databases.units import run_in_unit
from rodcorp.kit import rows

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.sqlite_only("triggers of the copy"),
]


@pytest.fixture
def copy():
    """The copy's connection, with the journal on and the fence open."""
    connection = connections["sqlite"]
    connection.ensure_connection()
    journal.introduce(connection)
    journal.install(connection)
    open_fence(connection)
    return connection


def open_fence(connection, is_open=1):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE rodcorp_fence SET is_open = %s", [is_open])


def journaled(copy, table="GlobalAgentRegistry"):
    return [entry for entry in journal.entries(copy) if entry.table == table]


def test_an_insert_is_journaled_with_its_unit(copy, make_agent, system):
    agent = make_agent("Ada")
    [entry] = journaled(copy)
    assert (entry.operation, entry.key, entry.base) == ("I", agent.pk.hex, None)
    assert len(entry.unit) == 32


def test_all_rows_of_a_unit_carry_its_id(copy, make_agent):
    make_agent("Ada", skills={"python": 3})
    assert len({entry.unit for entry in journal.entries(copy)}) == 1
    assert {entry.table for entry in journal.entries(copy)} == {
        "GlobalAgentRegistry",
        "GlobalAgentRegistryHistory",
        "AgentSkills",
        "AgentSkillsHistory",
    }


def test_an_update_keeps_what_the_changed_columns_were(copy, make_agent, system):
    agent = make_agent("Ada", team="Core", seniority="senior")
    run_in_unit(
        lambda unit: rows.change(agent, team="Edge", seniority=None),
        actor=system,
        operation="test",
    )
    assert journaled(copy)[-1].base == {"Team": "Core", "SeniorityLevel": "senior"}


def test_a_deletion_keeps_the_whole_row(copy, make_agent, system):
    agent = make_agent("Ada", skills={"python": 3})
    skill = agent.skills.get()
    run_in_unit(lambda unit: rows.delete_many([skill]), actor=system, operation="test")
    entry = journaled(copy, "AgentSkills")[-1]
    assert (entry.operation, entry.base["Skill"], entry.base["Level"]) == ("D", "python", 3)


def test_queryset_updates_and_raw_statements_are_journaled_too(copy, make_agent, system):
    make_agent("Ada")

    def write(unit):
        Agent.objects.update(team="Core")
        with copy.cursor() as cursor:
            cursor.execute('UPDATE "GlobalAgentRegistry" SET "Team" = %s', ["Edge"])

    run_in_unit(write, actor=system, operation="test")
    assert [entry.base for entry in journaled(copy)[1:]] == [{"Team": None}, {"Team": "Core"}]


def test_a_replaced_row_is_journaled_as_deleted_and_inserted(copy, make_agent, system):
    make_agent("Ada", skills={"python": 3})

    def replace(unit):
        with copy.cursor() as cursor:
            cursor.execute('INSERT OR REPLACE INTO "AgentSkills" SELECT * FROM "AgentSkills"')

    run_in_unit(replace, actor=system, operation="test")
    assert [entry.operation for entry in journaled(copy, "AgentSkills")] == ["I", "D", "I"]


def test_a_unit_that_fails_leaves_no_entry(copy, make_agent, system):
    def fail(unit):
        Agent.objects.create(name="x", project="p", machine_hostname="h", machine_ip="::1")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_in_unit(fail, actor=system, operation="test")
    assert journal.entries(copy) == []


def test_a_write_outside_a_unit_is_refused_and_not_lost(copy, make_agent):
    make_agent("Ada")
    with pytest.raises(IntegrityError, match="outside a unit of work"):
        Agent.objects.update(team="Edge")


def test_a_closed_fence_refuses_every_write(copy, make_agent):
    make_agent("Ada")
    open_fence(copy, 0)
    with pytest.raises(IntegrityError, match="rodcorp: fenced"):
        make_agent("Eve")


def test_the_feed_writes_past_the_fence_and_is_not_journaled(copy, make_agent):
    make_agent("Ada")
    before = journal.entries(copy)
    open_fence(copy, 0)
    with journal.as_feed():
        Agent.objects.update(team="Fed")
    assert Agent.objects.get().team == "Fed"
    assert journal.entries(copy) == before


def test_the_version_the_row_was_read_at_goes_with_it(copy, make_agent, system):
    agent = make_agent("Ada")
    with copy.cursor() as cursor:
        cursor.execute(
            "INSERT INTO rodcorp_versions VALUES ('GlobalAgentRegistry', %s, 77)", [agent.pk.hex]
        )
    run_in_unit(lambda unit: rows.change(agent, team="X"), actor=system, operation="test")
    assert journaled(copy)[-1].base_version == 77


def test_money_is_journaled_to_the_coin(copy, make_agent, system):
    agent = make_agent("Ada")
    award_rodcoins(actor=system, agent=agent, amount=2**53 + 1, description="big")
    [entry] = journaled(copy, "RodCoinsTransactions")
    assert RodCoinsTransaction.objects.get(pk=entry.key).amount == 2**53 + 1


def test_what_follows_from_other_rows_is_not_journaled(copy, make_agent, system):
    agent = make_agent("Ada")
    award_rodcoins(actor=system, agent=agent, amount=5, description="x")
    assert [entry.table for entry in journaled(copy) if entry.operation == "U"] == []


def test_replayed_entries_are_forgotten_and_numbers_never_used_again(copy, make_agent):
    make_agent("Ada")
    old = journal.entries(copy)
    journal.forget(copy, [entry.sequence for entry in old])
    assert journal.entries(copy) == []
    make_agent("Eve")
    assert journal.entries(copy)[0].sequence > old[-1].sequence


def test_every_replicated_table_has_its_three_triggers(copy):
    assert len(journal.triggers(copy)) == 3 * len(replicated_models())
    assert journal.missing(copy) == []


def test_a_trigger_that_was_dropped_or_changed_is_noticed_and_mended(copy):
    with copy.cursor() as cursor:
        cursor.execute('DROP TRIGGER "rodcorp_insert_AgentSkills"')
        cursor.execute('DROP TRIGGER "rodcorp_update_AgentSkills"')
        cursor.execute(
            'CREATE TRIGGER "rodcorp_update_AgentSkills" AFTER UPDATE ON "AgentSkills" '
            "BEGIN SELECT 1; END"
        )
    assert journal.missing(copy) == ["rodcorp_insert_AgentSkills", "rodcorp_update_AgentSkills"]
    journal.install(copy)
    assert journal.missing(copy) == []


@pytest.mark.django_db(transaction=True)
def test_a_foreign_program_is_refused(copy, make_agent):
    make_agent("Ada")
    try:
        foreign = sqlite3.connect(copy.settings_dict["NAME"])
        with pytest.raises(sqlite3.OperationalError, match="no such function"):
            foreign.execute("UPDATE GlobalAgentRegistry SET Team = 'X'")
        foreign.close()
    finally:
        with copy.cursor() as cursor:
            for name in journal.installed(copy):
                cursor.execute(f'DROP TRIGGER "{name}"')


def test_what_is_committed_survives_a_power_loss(copy):
    with copy.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone() == (2,)


def test_without_a_primary_there_is_no_journal():
    assert journal.installed(connections["sqlite"]) == {}
