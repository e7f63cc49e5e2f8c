import re

import pytest
from django.test import Client

from agents.models import Agent
from agents.services.registry import retire_agent, update_agent
from tests.agents.pages import ROLES

pytestmark = pytest.mark.django_db

LIST = "/agents/"
NEW = "/agents/new/"
MANAGERS = {"supervisor", "admin"}
FORM = {"name": "Grace", "project": "apollo", "communication_port": "8888"}


class TestWhoMay:
    @pytest.mark.parametrize("role", ROLES)
    def test_only_the_right_roles_register_change_and_retire(self, browser, make_agent, role):
        agent, client = make_agent("Ada"), browser(role)
        allowed = role in MANAGERS
        assert client.get(LIST).status_code == 200
        assert ("Register agent" in client.get(LIST).text) == allowed
        for address in (NEW, f"/agents/{agent.pk}/edit/", f"/agents/{agent.pk}/retire/"):
            assert client.get(address).status_code == (200 if allowed else 403), address
        for address in (NEW, f"/agents/{agent.pk}/edit/"):
            assert client.post(address, {}).status_code == (200 if allowed else 403), address
        done = client.post(f"/agents/{agent.pk}/retire/")
        assert done.status_code == (302 if allowed else 403)
        agent.refresh_from_db()
        assert agent.status == ("retired" if allowed else "active")
        assert Agent.objects.count() == 1

    @pytest.mark.parametrize("page", ["", "new/", f"{'0' * 8}-0000-0000-0000-{'0' * 12}/edit/"])
    def test_strangers_are_sent_to_the_login_page(self, page):
        response = Client().get(f"{LIST}{page}")
        assert response.status_code == 302
        assert response.url.startswith("/admin/login/")

    def test_a_form_from_elsewhere_is_refused(self, make_user):
        client = Client(enforce_csrf_checks=True)
        client.force_login(make_user("admin"))
        assert client.post(NEW, FORM).status_code == 403
        assert not Agent.objects.exists()


class TestRegistering:
    def test_the_service_writes_it_for_the_one_who_is_signed_in(self, browser):
        form = {**FORM, "team": "Core", "ai_model": "claude", "skills": "python 7\ncode review: 3"}
        response = browser("supervisor").post(NEW, form, REMOTE_ADDR="192.0.2.7")
        agent = Agent.objects.named("Grace", project="apollo")
        assert response.url == f"/agents/{agent.pk}/"
        assert (agent.team, agent.ai_model) == ("Core", "claude")
        assert dict(agent.skills.values_list("skill", "level")) == {"python": 7, "code review": 3}
        history = agent.history.get()
        assert (history.actor_name, history.actor_address) == ("a-supervisor", "192.0.2.7")

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("name", "", "required"),
            ("name", "n" * 101, "at most 100"),
            ("name", "bell \x07", "U+0007"),
            ("project", " ", "required"),
            ("ai_model", "hal", "not one of the available choices"),
            ("skills", "python", "like python 7"),
            ("skills", "python 11", "from 1 to 10"),
            ("machine_ip", "300.1.1.1", "IPv4 or IPv6"),
            ("machine_hostname", "h" * 101, "at most 100"),
            ("communication_port", "70000", "from 1 to 65535"),
            ("communication_port", "many", "whole number"),
            ("specialization", "s" * 301, "at most 300"),
        ],
    )
    def test_a_refusal_is_at_its_field_and_nothing_typed_is_lost(self, browser, field, value, said):
        response = browser().post(NEW, {**FORM, "role": "Admiral", field: value})
        form = response.context["form"]
        assert said in str(form.errors[field])
        assert list(form.errors) == [field]
        assert f'id="id_{field}_error"' in response.text
        assert 'value="Admiral"' in response.text
        assert form[field].value() == value
        assert not Agent.objects.exists()

    def test_a_known_agent_is_not_changed_by_registering_it(self, browser, make_agent):
        make_agent("Ada", project="apollo", team="Core")
        response = browser().post(NEW, {**FORM, "name": "ADA", "team": "Web"})
        assert "already has an agent" in str(response.context["form"].errors["name"])
        assert Agent.objects.get().team == "Core"

    def test_the_same_form_sent_twice_registers_once(self, browser):
        client = browser()
        key = re.search(r'name="key" value="([^"]+)"', client.get(NEW).text)[1]
        first, second = (client.post(NEW, {**FORM, "key": key}) for _ in range(2))
        assert first.status_code == second.status_code == 302
        assert first.url == second.url
        assert Agent.objects.get().history.count() == 1
        other = client.post(NEW, {**FORM, "key": key, "name": "Eve"})
        assert "already saved" in other.text
        assert Agent.objects.count() == 1


class TestChanging:
    def form_of(self, client, agent, **changes):
        """What the page shows, hidden fields too, with changes."""
        page = client.get(f"/agents/{agent.pk}/edit/").text
        shown = {
            "status": "active",
            "machine_hostname": agent.machine_hostname,
            "machine_ip": agent.machine_ip,
            "communication_port": agent.communication_port,
            "team": agent.team or "",
            "role": agent.role or "",
            "ai_model": agent.ai_model or "",
            "skills": "\n".join(f"{skill.skill} {skill.level}" for skill in agent.skills.all()),
        }
        initial = {f"initial-{name}": value for name, value in shown.items()}
        assert all(f'name="{name}"' in page for name in initial)
        return {**shown, **initial, **changes}

    def change(self, client, agent, **changes):
        return client.post(f"/agents/{agent.pk}/edit/", self.form_of(client, agent, **changes))

    def test_what_differs_is_written_and_an_empty_field_clears(self, browser, make_agent):
        agent = make_agent("Ada", team="Core", role="Engineer", skills={"python": 7})
        response = self.change(browser(), agent, team="", role="Lead", skills="sql 4")
        assert response.url == f"/agents/{agent.pk}/"
        agent.refresh_from_db()
        assert (agent.team, agent.role) == (None, "Lead")
        assert dict(agent.skills.values_list("skill", "level")) == {"sql": 4}
        delta = agent.history.latest("history_date").diff_against(agent.history.earliest())
        assert set(delta.changed_fields) == {"team", "role"}

    def test_saving_without_a_change_writes_no_history(self, browser, make_agent):
        agent = make_agent("Ada", team="Core", skills={"python": 7, "sql": 2})
        assert self.change(browser(), agent).status_code == 302
        assert agent.history.count() == 1

    def test_what_somebody_else_changed_meanwhile_stays(self, browser, make_agent, system):
        client, agent = browser(), make_agent("Ada", team="Core", role="Engineer")
        form = self.form_of(client, agent, role="Lead")
        update_agent(actor=system, agent=agent, team="Web")
        client.post(f"/agents/{agent.pk}/edit/", form)
        agent.refresh_from_db()
        assert (agent.team, agent.role) == ("Web", "Lead")

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("machine_ip", "x", "IPv4 or IPv6"),
            ("machine_hostname", "", "required"),
            ("communication_port", "0", "from 1 to 65535"),
            ("status", "asleep", "not one of the available choices"),
            ("ai_model", "", "required"),
            ("skills", "python 70", "from 1 to 10"),
        ],
    )
    def test_a_refusal_is_at_its_field_and_nothing_is_written(
        self, browser, make_agent, field, value, said
    ):
        agent = make_agent("Ada", ai_model="claude")
        response = self.change(browser(), agent, role="Lead", **{field: value})
        assert said in str(response.context["form"].errors[field])
        assert 'value="Lead"' in response.text
        assert agent.history.count() == 1

    def test_a_retired_agent_is_brought_back_by_its_status(self, browser, make_agent, system):
        agent, client = make_agent("Ada"), browser()
        retire_agent(actor=system, agent=agent)
        form = self.form_of(client, agent, **{"initial-status": "retired"})
        client.post(f"/agents/{agent.pk}/edit/", form)
        agent.refresh_from_db()
        assert agent.status == "active"

    @pytest.mark.parametrize("page", ["edit", "retire"])
    def test_an_agent_that_is_not_there_is_not_found(self, browser, page):
        nobody = "6f1c54a4-6a3b-5b0e-9a53-2f0f6f1d7c11"
        assert browser().get(f"/agents/{nobody}/{page}/").status_code == 404


def test_retiring_asks_first_and_keeps_the_agent(browser, make_agent):
    client, agent = browser("supervisor"), make_agent("Ada")
    assert "Retire" in client.get(f"/agents/{agent.pk}/retire/").text
    assert Agent.objects.get().status == "active"
    assert client.post(f"/agents/{agent.pk}/retire/").url == f"/agents/{agent.pk}/"
    assert Agent.objects.get().status == "retired"
    assert "is retired already" in client.get(f"/agents/{agent.pk}/retire/").text
