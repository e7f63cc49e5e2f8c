"""Importing CSV in the admin: what is shown first, what is written, and what is refused."""

import os
import re
import time
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, Discussion
from agents.services.registry import update_agent
from payroll.models import RodCoinsTransaction
from payroll.services.ledger import award_rodcoins, balance_of
from rodcorp.databases import hosts
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.sides import active_alias, has_primary
from rodcorp.kit.admin import uploads
from tasks.models import Task
from tasks.services.creation import create_task
from tests.kit.everything import url

pytestmark = pytest.mark.django_db


def upload(client, model, text):
    data = text.encode() if isinstance(text, str) else text
    return client.post(url(model, "import/"), {"file": SimpleUploadedFile("rows.csv", data)})


def confirm(client, model, preview):
    fields = re.findall(r'name="(upload|agreed)" value="([^"]+)"', preview.text)
    return client.post(url(model, "import/"), dict(fields), follow=True)


def said(response):
    return [
        (row.number, row.kind, row.changes, row.refusals)
        for row in response.context["plan"].outcomes
    ]


def tables():
    with connections[active_alias()].cursor() as cursor:
        counts = {}
        for table in connections[active_alias()].introspection.table_names():
            quoted = connections[active_alias()].ops.quote_name(table)
            cursor.execute("SELECT COUNT(*) FROM " + quoted)
            counts[table] = cursor.fetchone()[0]
    if has_primary():
        # there a request that writes leaves a marker, also when it takes back what it wrote
        del counts["UnitMarkers"]
    return counts


class TestPreview:
    def test_each_row_is_new_changed_unchanged_or_refused(self, browser, make_agent):
        make_agent("Ada", project="apollo", team="Core")
        make_agent("Grace", project="apollo", team="Web")
        client = browser("supervisor")
        before = tables()
        response = upload(
            client,
            Agent,
            "name,project,team,machine_ip\n"
            "Ada,apollo,Web,\n"
            "GRACE,apollo,Web,\n"
            "Linus,apollo,Core,192.0.2.1\n"
            "\n"
            "Ken,apollo,,300.1.1.1\n",
        )
        assert said(response) == [
            (2, "changed", [("team", "Core", "Web")], []),
            (3, "unchanged", [], []),
            (4, "new", [("team", "", "Core"), ("machine_ip", "", "192.0.2.1")], []),
            (
                6,
                "refused",
                [],
                [
                    (
                        "machine_ip",
                        "machine_ip must be an IPv4 or IPv6 address; it was '300.1.1.1'.",
                    )
                ],
            ),
        ]
        assert 'name="upload"' not in response.text
        assert tables() == before

    def test_nothing_is_written_before_it_is_confirmed(self, browser, make_agent):
        make_agent("Ada", project="apollo", skills={"python": 7})
        client = browser("supervisor")
        before = tables()
        response = upload(client, Agent, "name,project,skills\nAda,apollo,sql 4\nKen,apollo,c 9\n")
        assert 'name="upload"' in response.text
        assert tables() == before
        assert dict(Agent.objects.get().skills.values_list("skill", "level")) == {"python": 7}

    def test_a_refused_row_does_not_count_for_the_next(self, browser):
        response = upload(
            browser(), Agent, "name,project,ai_model\nKen,apollo,hal\nKen,apollo,qwen\n"
        )
        assert [kind for _, kind, _, _ in said(response)] == ["refused", "new"]

    def test_a_later_row_sees_what_an_earlier_one_did(self, browser):
        response = upload(browser(), Agent, "name,team\nKen,Core\nKen,Web\nKen,Web\n")
        assert [kind for _, kind, _, _ in said(response)] == ["new", "changed", "unchanged"]

    def test_a_file_with_nothing_new_cannot_be_confirmed(self, browser, make_agent):
        make_agent("Ada", project="apollo")
        response = upload(browser(), Agent, "name,project\nAda,apollo\n")
        assert "nothing to do" in response.text
        assert 'name="upload"' not in response.text

    def test_markup_is_shown_as_text(self, browser):
        response = upload(browser(), Agent, "name,team\n<script>alert(1)</script>,<b>x</b>\n")
        assert "<script>alert(1)" not in response.text
        assert "&lt;b&gt;x&lt;/b&gt;" in response.text


class TestBadFiles:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "empty"),
            ("name,colour\nAda,red\n", "no column &#x27;colour&#x27;"),
            ("name,name\nAda,Ada\n", "there twice"),
            ("project\napollo\n", "&#x27;name&#x27; is missing"),
            ("name\n", "but no rows"),
            ("name\nAda,b\n", "Row 2 has 2 cells for 1 columns"),
            ('name\n"Ada\n', "is not CSV"),
            (b"name\nAd\xe9\n", "Line 2 is not UTF-8"),
            ("name\n" + "Ada\n" * 501, "more than 500 rows"),
            ("name\n" + "x" * (5 * 2**20), "at most 5 MB"),
        ],
    )
    def test_it_is_refused_at_the_file_with_the_reason(self, browser, text, message):
        response = upload(browser(), Agent, text)
        assert message in str(response.context["form"].errors["file"])
        assert not Agent.objects.exists()

    def test_no_file_is_said_at_the_field(self, browser):
        response = browser().post(url(Agent, "import/"), {})
        assert "required" in str(response.context["form"].errors["file"])

    def test_semicolons_separate_too(self, browser):
        response = upload(browser(), Agent, "\ufeffname;team\nAda;Core\n")
        assert said(response) == [(2, "new", [("team", "", "Core")], [])]


class TestConfirming:
    def test_the_services_write_all_rows_for_who_confirmed(self, browser, make_agent):
        make_agent("Ada", project="apollo", team="Core")
        client = browser("supervisor")
        preview = upload(client, Agent, "name,project,team\nAda,apollo,Web\nKen,apollo,Web\n")
        response = confirm(client, Agent, preview)
        assert "Imported: 1 new, 1 changed." in response.text
        ada = Agent.objects.named("Ada")
        assert (ada.team, ada.history.latest("history_date").actor_name) == ("Web", "a-supervisor")
        assert Agent.objects.named("Ken").history.get().actor_name == "a-supervisor"

    def test_a_second_confirmation_writes_nothing_more(self, browser, make_agent):
        agent = make_agent("Ada")
        client = browser("payroll")
        preview = upload(client, RodCoinsTransaction, "agent,amount,description\nAda,7,work\n")
        for _ in range(2):
            response = confirm(client, RodCoinsTransaction, preview)
            assert "Imported: 1 new." in response.text
        assert balance_of(agent) == 7
        assert UnitMarker.objects.filter(operation__startswith="import.").count() == 1

    def test_what_changed_since_the_preview_is_shown_again_first(self, browser, make_agent, system):
        agent = make_agent("Ada", team="Core")
        client = browser("supervisor")
        preview = upload(client, Agent, "name,team\nAda,Web\nKen,Web\n")
        update_agent(actor=system, agent=agent, team="Data")
        again = confirm(client, Agent, preview)
        assert "changed meanwhile" in again.text
        assert said(again)[0] == (2, "changed", [("team", "Data", "Web")], [])
        assert [row.team for row in Agent.objects.all()] == ["Data"]
        assert "Imported: 1 new, 1 changed." in confirm(client, Agent, again).text

    def test_a_row_that_is_refused_meanwhile_stops_all(self, browser, make_agent, system):
        agent = make_agent("Ada")
        award_rodcoins(actor=system, agent=agent, amount=10, description="work")
        client = browser("payroll")
        preview = upload(
            client,
            RodCoinsTransaction,
            "agent,amount,transaction_type,description\n"
            "Ada,1,bonus,thanks\nAda,10,deduction,taken\n",
        )
        award_rodcoins(
            actor=system, agent=agent, amount=5, description="x", transaction_type="deduction"
        )
        response = confirm(client, RodCoinsTransaction, preview)
        assert [row[1] for row in said(response)] == ["new", "refused"]
        assert 'name="upload"' not in response.text
        assert balance_of(agent) == 5

    def test_somebody_elses_upload_is_not_confirmed(self, browser):
        preview = upload(browser("supervisor"), Agent, "name\nKen\n")
        response = confirm(browser("admin"), Agent, preview)
        assert "no longer here" in response.text
        assert not Agent.objects.exists()

    def test_an_upload_for_one_table_is_not_confirmed_for_another(self, browser):
        client = browser()
        preview = upload(client, Task, "description\nFix it\n")
        assert "no longer here" in confirm(client, Agent, preview).text
        assert not Agent.objects.exists()
        assert not Task.objects.exists()

    def test_a_file_is_readable_by_its_owner_only_and_forgotten_after_a_day(
        self, browser, settings
    ):
        client = browser()
        first = upload(client, Agent, "name\nKen\n")
        (file,) = (Path(settings.DATA_DIR) / "imports").glob("*.csv")
        assert file.stat().st_mode & 0o077 == 0
        day_ago = time.time() - uploads._KEPT_SECONDS - 1
        os.utime(file, (day_ago, day_ago))
        upload(client, Agent, "name\nLinus\n")
        assert not file.exists()
        assert "no longer here" in confirm(client, Agent, first).text

    @pytest.fixture(autouse=True)
    def _own_folder(self, settings, tmp_path):
        settings.DATA_DIR = tmp_path
        if has_primary():
            hosts.register()  # a folder of its own is a host of its own

    def test_it_is_one_transaction_of_the_company_and_none_elsewhere(self, browser, make_agent):
        client = browser()
        preview = upload(client, Agent, "name\nKen\nLinus\n")
        with CaptureQueriesContext(connections["local"]) as local:
            confirm(client, Agent, preview)
        assert not [query for query in local if query["sql"].startswith(("BEGIN", "SAVEPOINT"))]
        assert UnitMarker.objects.filter(operation__startswith="import.").count() == 1


class TestRoundTrip:
    @pytest.fixture(autouse=True)
    def _a_company(self, make_agent, system):
        agent = make_agent("Ada", project="apollo", team="-core", skills={"python": 7, "sql": 4})
        make_agent("Grace", project="hermes", ai_model="qwen")
        award_rodcoins(actor=system, agent=agent, amount=7, description="=work", key="k")
        create_task(
            actor=system,
            description="Fix\nit",
            agent=agent,
            project="apollo",
            labels=["ci", "b"],
            skills={"sql": 2},
            due_date="2026-12-24",
            reward=3,
        )

    @pytest.mark.parametrize("model", [Agent, Task, RodCoinsTransaction, Discussion])
    def test_an_export_read_back_in_changes_nothing(self, browser, system, model):
        from agents.services.discussions import post_message

        post_message(actor=system, topic="News", message="+1, great\nreally", priority="high")
        client = browser()
        exported = client.get(url(model, "export/")).content
        response = upload(client, model, exported)
        assert response.status_code == 200, response.context["form"].errors
        assert {kind for _, kind, _, _ in said(response)} == {"unchanged"}

    def test_an_edited_export_changes_what_was_edited(self, browser):
        client = browser("supervisor")
        exported = client.get(url(Task, "export/")).content
        edited = exported.replace(b",pending,", b",in_progress,").replace(b"normal", b"urgent")
        preview = upload(client, Task, edited)
        ((_, kind, changes, _),) = said(preview)
        assert kind == "changed"
        assert changes == [
            ("status", "pending", "in_progress"),
            ("priority", "normal", "urgent"),
        ]
        confirm(client, Task, preview)
        task = Task.objects.get()
        assert (task.status, task.priority, task.agent.name) == ("in_progress", 40, "Ada")


class TestTasks:
    def test_a_key_makes_a_task_once_and_changes_it_after(self, browser, make_agent):
        make_agent("Ada", project="apollo")
        client = browser("supervisor")
        text = "key,description,agent,project,labels,skills\nT-1,Fix it,Ada,apollo,ci; x,sql 4\n"
        confirm(client, Task, upload(client, Task, text))
        task = Task.objects.get()
        assert (task.agent.name, task.labels.count(), task.skills.get().level) == ("Ada", 2, 4)
        again = upload(client, Task, text)
        assert said(again) == [(2, "unchanged", [], [])]
        changed = upload(client, Task, "key,title\nT-1,Better\n")
        assert said(changed) == [(2, "changed", [("title", "Fix it", "Better")], [])]

    @pytest.mark.parametrize(
        ("text", "column", "message"),
        [
            ("description\n\x07\n", "description", "U+0007"),
            ("description,agent\nx,Nobody\n", "agent", "Nobody"),
            ("description,priority\nx,soon\n", "priority", "must be one of: low"),
            ("description,due_date\nx,soon\n", "due_date", "a date like"),
            ("description,skills\nx,sql 11\n", "skills", "from 1 to 10"),
            ("description,skills\nx,sql\n", "skills", "written like"),
            ("description,status\nx,done\n", "status", "must be one of"),
            ("id,title\n6f1c54a4-6a3b-5b0e-9a53-2f0f6f1d7c11,x\n", "id", "no task"),
            ("id,title\nx,y\n", "id", "must be a UUID"),
            ("key,title\nT-9,x\n", "description", "must not be empty"),
            ("key,labels\nT-1,new\n", "labels", "cannot be imported"),
            ("key,quality_score\nT-1,6\n", "quality_score", "from 0.00 to 5.00"),
        ],
    )
    def test_a_bad_cell_is_refused_at_its_column(self, browser, system, text, column, message):
        from tasks.services.creation import NewTask, create_tasks

        create_tasks(actor=system, tasks=[NewTask("Known", external=("csv", "T-1"))])
        response = upload(browser(), Task, text)
        (((refused_at, reason),),) = [refusals for _, _, _, refusals in said(response)]
        assert refused_at == column
        assert message in reason
        assert f"<strong>{column}:</strong>" in response.text


class TestFinalRows:
    def test_a_message_that_is_there_is_never_changed(self, browser):
        client = browser("supervisor")
        text = "key,topic,message,priority\nm-1,News,All well,high\n"
        confirm(client, Discussion, upload(client, Discussion, text))
        message = Discussion.objects.get()
        assert (message.participant, message.get_priority_display()) == ("a-supervisor", "high")
        assert said(upload(client, Discussion, text))[0][1] == "unchanged"
        ((_, kind, _, refusals),) = said(
            upload(client, Discussion, text.replace("All well", "Not well"))
        )
        assert (kind, refusals[0][0]) == ("refused", "message")

    def test_an_award_with_a_key_is_paid_once(self, browser, make_agent):
        agent = make_agent("Ada")
        client = browser("payroll")
        text = "key,agent,amount,transaction_type,description\nk-1,Ada,7,bonus,work\n"
        confirm(client, RodCoinsTransaction, upload(client, RodCoinsTransaction, text))
        assert said(upload(client, RodCoinsTransaction, text))[0][1] == "unchanged"
        ((_, kind, _, refusals),) = said(
            upload(client, RodCoinsTransaction, text.replace(",7,", ",8,"))
        )
        assert (kind, refusals[0][0], balance_of(agent)) == ("refused", "amount", 7)

    @pytest.mark.parametrize(
        ("row", "column"),
        [
            ("Nobody,7,earned,work", "agent"),
            ("Ada,0,earned,work", "amount"),
            ("Ada,7,salary,work", "transaction_type"),
            ("Ada,7,deduction,work", "amount"),
            ("Ada,7,earned,", "description"),
        ],
    )
    def test_a_bad_award_is_refused_at_its_column(self, browser, make_agent, row, column):
        make_agent("Ada")
        header = "agent,amount,transaction_type,description\n"
        response = upload(browser("payroll"), RodCoinsTransaction, f"{header}{row}\n")
        (((refused_at, _),),) = [refusals for _, _, _, refusals in said(response)]
        assert refused_at == column
        assert not RodCoinsTransaction.objects.exists()
