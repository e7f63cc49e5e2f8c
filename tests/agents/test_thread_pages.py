import re

import pytest
from django.test import Client

from agents.models import Discussion
from agents.services.discussions import acknowledge, reply
from agents.web import threads
from tests.agents.pages import NASTY, ROLES, queries_of

pytestmark = pytest.mark.django_db

LIST = "/discussions/"
NEW = "/discussions/new/"
SPEAKERS = {"supervisor", "payroll", "admin"}
FORM = {"topic": "News", "message": "All well.", "priority": "20"}
NOWHERE = "6f1c54a4-6a3b-5b0e-9a53-2f0f6f1d7c11"


class TestAThread:
    def test_it_takes_as_many_queries_however_long_it_is(self, browser, start, answer):
        client, root = browser(), start()
        for _ in range(3):
            answer(root)
        few = queries_of(client, f"{LIST}{root.pk}/")
        last = root
        for _ in range(60):
            last = answer(last)
        # who asks, the first message, the figures, the page
        assert queries_of(client, f"{LIST}{root.pk}/") == few == (4, 1)

    def test_it_is_read_from_the_first_message_to_the_last(self, browser, start, answer):
        root = start(message="First.")
        answer(root, "Second.")
        text = browser("viewer").get(f"{LIST}{root.pk}/").text
        assert text.index("First.") < text.index("Second.")

    @pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
    def test_a_message_is_shown_as_it_was_written(self, browser, start, text):
        root = start(message=text)
        page = browser("viewer").get(f"{LIST}{root.pk}/").text
        shown = re.search(r'<div class="rc-text" dir="auto">(.*?)</div>', page, re.DOTALL)[1]
        assert "<" not in shown
        plain = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
        assert plain.replace("&#x27;", "'").replace("&amp;", "&") == text

    def test_agents_are_linked_and_people_are_not(self, browser, start, ada, admin):
        root = start()
        reply(actor=admin.as_actor(), to=root, message="Thanks.")
        text = browser("viewer").get(f"{LIST}{root.pk}/").text
        assert f'<a class="rc-author" href="/agents/{ada.pk}/">' in text
        assert '<bdi class="rc-author">root</bdi>' in text

    def test_the_address_of_a_message_leads_to_its_place(self, browser, start, answer, monkeypatch):
        monkeypatch.setattr(threads, "MESSAGES_A_PAGE", 2)
        root = start()
        messages = [root, *(answer(root, f"number {number}") for number in range(4))]
        client = browser("viewer")
        response = client.get(f"{LIST}{messages[3].pk}/")
        assert response.url == f"{LIST}{root.pk}/?page=2#m-{messages[3].pk}"
        assert list(client.get(response.url).context["page"]) == messages[2:4]

    @pytest.mark.parametrize("page", ["0", "99", "x", "-1"])
    def test_a_strange_page_is_a_page_too(self, browser, start, page):
        root = start()
        response = browser().get(f"{LIST}{root.pk}/?page={page}")
        assert list(response.context["page"]) == [root]

    def test_a_thread_that_is_not_there_is_not_found(self, browser):
        client = browser()
        assert client.get(f"{LIST}{NOWHERE}/").status_code == 404
        assert client.post(f"{LIST}{NOWHERE}/", {"message": "x"}).status_code == 404
        assert client.post(f"{LIST}{NOWHERE}/acknowledge/").status_code == 404


class TestWhoMay:
    @pytest.mark.parametrize("role", ROLES)
    def test_only_the_right_roles_speak(self, browser, start, role):
        root, client = start(), browser(role)
        allowed = role in SPEAKERS
        page = client.get(f"{LIST}{root.pk}/").text
        assert (">Acknowledge<" in page, ">Reply</button>" in page.replace("\n", "")) == (
            allowed,
            allowed,
        )
        assert ("Start a discussion" in client.get(LIST).text) == allowed
        assert client.get(NEW).status_code == (200 if allowed else 403)
        expected = 302 if allowed else 403
        assert client.post(NEW, FORM).status_code == expected
        assert client.post(f"{LIST}{root.pk}/", {"message": "Yes."}).status_code == expected
        assert client.post(f"{LIST}{root.pk}/acknowledge/").status_code == expected
        root.refresh_from_db()
        assert (root.acknowledged_by, Discussion.objects.count()) == (
            (f"a-{role}", 3) if allowed else (None, 1)
        )

    @pytest.mark.parametrize("page", ["", "new/", f"{NOWHERE}/", f"{NOWHERE}/acknowledge/"])
    def test_strangers_are_sent_to_the_login_page(self, page):
        for ask in (Client().get, Client().post):
            response = ask(f"{LIST}{page}")
            assert response.status_code == 302
            assert response.url.startswith("/admin/login/")

    @pytest.mark.parametrize("page", [NEW, f"{LIST}{NOWHERE}/acknowledge/"])
    def test_a_form_from_elsewhere_is_refused(self, make_user, page):
        client = Client(enforce_csrf_checks=True)
        client.force_login(make_user("admin"))
        assert client.post(page, FORM).status_code == 403
        assert not Discussion.objects.exists()

    def test_only_who_manages_agents_speaks_for_one(self, browser, ada):
        client = browser("payroll")
        assert 'name="agent"' not in client.get(NEW).text
        client.post(NEW, {**FORM, "agent": ada.pk})
        assert Discussion.objects.get().participant == "a-payroll"


class TestPosting:
    def test_one_speaks_for_oneself(self, browser):
        response = browser("supervisor").post(
            NEW, {**FORM, "message": "Great work!", "project": "apollo", "priority": "30"}
        )
        message = Discussion.objects.get()
        assert response.url == f"{LIST}{message.pk}/#m-{message.pk}"
        assert (message.participant, message.agent) == ("a-supervisor", None)
        assert (message.project, message.priority) == ("apollo", 30)
        assert message.sentiment == "positive"

    def test_one_speaks_for_an_agent_in_its_project(self, browser, ada):
        browser("supervisor").post(NEW, {**FORM, "agent": ada.pk, "sentiment": "Proud"})
        message = Discussion.objects.get()
        assert (message.participant, message.agent, message.project) == ("Ada", ada, "apollo")
        assert (message.sentiment, message.actor_name) == ("proud", "a-supervisor")

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("topic", "", "required"),
            ("topic", "t" * 201, "at most 200"),
            ("message", "   ", "required"),
            ("message", "x" * 20_001, "at most 20000"),
            ("message", "bell \x07", "U+0007"),
            ("project", "p" * 101, "at most 100"),
            ("priority", "asap", "not one of the available choices"),
            ("sentiment", "s" * 51, "at most 50"),
            ("agent", NOWHERE, "Choose an agent"),
            ("agent", "x", "not a valid UUID"),
        ],
    )
    def test_a_refusal_is_at_its_field_and_nothing_typed_is_lost(self, browser, field, value, said):
        typed = {**FORM, "project": "apollo", "sentiment": "calm", field: value}
        response = browser().post(NEW, typed)
        form = response.context["form"]
        assert said in str(form.errors[field])
        assert list(form.errors) == [field]
        assert f'id="id_{field}_error"' in response.text
        for name, text in typed.items():
            assert form[name].value() == text
        assert not Discussion.objects.exists()

    def test_the_same_form_sent_twice_posts_once(self, browser):
        client = browser()
        key = re.search(r'name="key" value="([^"]+)"', client.get(NEW).text)[1]
        first, second = (client.post(NEW, {**FORM, "key": key}) for _ in range(2))
        assert first.url == second.url
        assert Discussion.objects.count() == 1
        other = client.post(NEW, {**FORM, "key": key, "message": "Else."})
        assert "already saved" in other.text
        assert "Else." in other.text
        assert Discussion.objects.count() == 1


class TestAnswering:
    def test_a_reply_answers_the_first_message(self, browser, start):
        root = start(priority="urgent")
        response = browser("payroll").post(f"{LIST}{root.pk}/", {"message": "On it."})
        said = Discussion.objects.get(message="On it.")
        assert response.url == f"{LIST}{root.pk}/#m-{said.pk}"
        assert (said.thread, said.reply_to, said.topic) == (root, root, "builds")
        assert (said.participant, said.priority) == ("a-payroll", 40)

    def test_another_message_is_chosen_to_be_answered(self, browser, start, answer):
        root, client = start(), browser()
        chosen = answer(root, "Which lamp?")
        page = client.get(f"{LIST}{root.pk}/?to={chosen.pk}")
        assert page.context["answered"] == chosen
        assert f'name="to" value="{chosen.pk}"' in page.text
        client.post(f"{LIST}{root.pk}/?to={chosen.pk}", {"message": "The red.", "to": chosen.pk})
        assert Discussion.objects.get(message="The red.").reply_to == chosen

    @pytest.mark.parametrize("to", ["x", NOWHERE])
    def test_a_message_that_is_not_in_the_thread_is_not_answered(self, browser, start, to):
        root = start()
        client = browser()
        assert client.get(f"{LIST}{root.pk}/?to={to}").status_code == 200
        response = client.post(f"{LIST}{root.pk}/", {"message": "Hm.", "to": to})
        assert response.context["form"].errors
        assert "Hm." in response.text
        assert Discussion.objects.count() == 1

    def test_a_message_of_another_thread_is_not_answered_here(self, browser, start):
        root, other = start("one"), start("two")
        response = browser().post(f"{LIST}{root.pk}/", {"message": "Hm.", "to": other.pk})
        assert "not in this thread" in str(response.context["form"].errors)
        assert Discussion.objects.count() == 2

    @pytest.mark.parametrize(
        ("text", "said"), [("", "required"), ("\x07", "U+0007"), ("x" * 20_001, "at most 20000")]
    )
    def test_a_refusal_is_at_the_message_and_the_text_is_kept(self, browser, start, text, said):
        root = start()
        response = browser().post(f"{LIST}{root.pk}/", {"message": text})
        form = response.context["form"]
        assert said in str(form.errors["message"])
        assert form["message"].value() == text
        assert Discussion.objects.count() == 1

    def test_the_same_reply_sent_twice_is_posted_once(self, browser, start):
        root, client = start(), browser()
        page = client.get(f"{LIST}{root.pk}/").text
        key = re.search(r'name="key" value="([^"]+)"', page)[1]
        for _ in range(2):
            client.post(f"{LIST}{root.pk}/", {"message": "On it.", "key": key})
        assert Discussion.objects.filter(message="On it.").count() == 1


class TestAcknowledging:
    def test_the_first_acknowledgement_stands(self, browser, start):
        root = start()
        first, second = browser("supervisor"), browser("admin")
        assert first.post(f"{LIST}{root.pk}/acknowledge/").url == f"{LIST}{root.pk}/#m-{root.pk}"
        second.post(f"{LIST}{root.pk}/acknowledge/")
        root.refresh_from_db()
        assert root.acknowledged_by == "a-supervisor"
        assert root.history.get().actor_name == "a-supervisor"

    def test_it_is_said_who_did_and_not_offered_again(self, browser, start, system):
        root = start()
        acknowledge(actor=system, message=root)
        page = browser().get(f"{LIST}{root.pk}/").text
        assert "Acknowledged by <bdi>test</bdi>" in page
        assert f"/discussions/{root.pk}/acknowledge/" not in page

    def test_looking_acknowledges_nothing(self, browser, start):
        root = start()
        assert browser().get(f"{LIST}{root.pk}/acknowledge/").status_code == 405
        root.refresh_from_db()
        assert root.acknowledged_at is None
