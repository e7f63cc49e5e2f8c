"""Where the data is, on its own page and on every other."""

import json
import re
import time
from dataclasses import asdict
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Agent
from agents.services.discussions import post_message
from rodcorp.console.templatetags.databases import place_of_data
from rodcorp.databases import switching
from rodcorp.databases.mode import Mode
from rodcorp.databases.models import Conflict, Host
from rodcorp.databases.sync.healing import Healer
from rodcorp.databases.sync.watcher import STATUS_FILE
from rodcorp.databases.units import run_in_unit
from rodcorp.kit import rows

ROLES = ("viewer", "supervisor", "payroll", "operator", "admin")


@pytest.fixture
def visitor(watcher, make_user):
    """Somebody who is signed in, on either side."""
    client = Client()
    client.force_login(make_user("operator"))
    watcher.step()
    return client


@pytest.fixture
def shown(visitor):
    def show(url="/databases/"):
        answer = visitor.get(url)
        assert answer.status_code == 200
        return text_of(answer)

    return show


def text_of(answer):
    """What the page itself says, without its markup."""
    main = answer.content.decode().partition("<main>")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", main).replace("&#x27;", "'").split())


def badge_of(answer):
    found = re.search(
        r'<a class="rc-badge rc-place([^"]*)"\s+href="([^"]+)".*?rc-place-word">([^<]*)<',
        answer.content.decode(),
        re.S,
    )
    look, url, word = found.groups()
    return look.strip(), url, word


def say(watcher, **values):
    """The watcher's last word, changed."""
    path = settings.DATA_DIR / STATUS_FILE
    path.write_text(json.dumps({**asdict(watcher.report), **values}))


def to_healing(company):
    company.modes.change(Mode.HEALING, company.modes.read().epoch, "the primary is back")


# --- without a SQL Server -------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.sqlite_only("about a company without a SQL Server")
def test_without_a_sql_server_the_page_says_so_and_no_more(browser):
    answer = browser("viewer").get("/databases/")
    assert "The company's data is in SQLite." in text_of(answer)
    assert "docs/sql-server.md" in text_of(answer)
    for section in ("Hosts", "Last switches", "Watcher", "What you can do"):
        assert section not in text_of(answer)
    assert badge_of(answer) == ("", "/databases/", "SQLite")


@pytest.mark.django_db
def test_who_is_not_signed_in_is_sent_to_sign_in():
    for url in ("/databases/", "/databases/conflicts/"):
        assert Client().get(url).url.startswith("/admin/login/?next=/databases/")


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_everybody_sees_where_the_data_is(browser, role):
    client = browser(role)
    assert client.get("/databases/").status_code == 200
    assert client.get("/databases/conflicts/").status_code == 200
    assert 'href="/databases/"' in client.get("/").content.decode()


@pytest.mark.django_db
def test_the_page_is_in_the_sidebar_and_knows_that_it_is_open(browser):
    page = browser("viewer").get("/databases/conflicts/").content.decode()
    link = re.search(r'<a href="/databases/" class="([^"]*)"', page)
    assert "active" in link[1].split()


# --- in each mode ---------------------------------------------------------------------------------


def test_on_the_primary_there_is_nothing_to_do(shown, company):
    page = shown()
    assert "The company's data is in SQL Server." in page
    assert "nobody's request fails" in page
    assert "There is nothing to do." in page
    assert "Answers yes" in page
    assert "May stand in yes" in page
    assert "It keeps the copy up to date." in page
    assert re.search(r"behind by at most \d\.\d s", page)
    assert "There was none yet." in page
    assert f"this host {company.modes.host_id()}" in page


def test_in_fallback_the_copy_has_the_data_and_says_what_waits(shown, company, make_agent, system):
    switching.to_copy("not reached: refused")
    company.link.cut()
    post_message(actor=system, agent=make_agent(), topic="t", message="m")
    page = shown()
    assert "The company's data is in this host's copy." in page
    assert "SQL Server cannot be used." in page
    assert "manage.py databases doctor" in page
    assert f"Changes to bring home {len(company.journal())} " in page
    assert "behind by at most –" in page
    assert "primary → to fallback" in page
    assert "not reached: refused" in page
    assert "SQL Server keeps the list of hosts, and cannot be asked now." in page


def test_in_fallback_a_primary_that_is_back_is_asked_for_the_hosts(shown, company, watcher):
    switching.to_copy("maintenance")
    say(watcher, doing="away, and the primary is back")
    page = shown()
    assert "SQL Server answers again." in page
    assert "manage.py databases heal" in page
    assert str(company.modes.host_id()) in page
    assert "SQL Server is back; it waits until that has lasted." in page


def test_hosts_that_cannot_be_read_after_all_do_not_break_the_page(shown, company):
    switching.to_copy("maintenance")
    company.link.fail("execute", "reset", matching="Hosts")
    assert "cannot be asked now" in shown()


def test_on_the_way_home_it_says_how_far(shown, company, watcher):
    switching.to_copy("maintenance")
    to_healing(company)
    say(watcher, doing="healing, 1200 changes left")
    page = shown()
    assert "on its way home to SQL Server" in page
    assert "It brings home what was written here. 1200 changes left." in page


def test_a_stopped_host_says_why_and_what_to_do(shown, company):
    company.modes.stop("SQL Server does not have this host's last word.")
    page = shown()
    assert (
        "Nothing may be written, because SQL Server does not have this host's last word. Every"
    ) in page
    assert "manage.py databases compare" in page
    assert "manage.py databases resume" in page


def test_a_silent_watcher_is_no_reassurance(shown, watcher):
    say(watcher, at=time.time() - 100, fed_at=time.time() - 101)
    page = shown()
    assert "its watcher is not at work" in page
    assert "silent Its last word was “feeding”." in page
    assert "behind by at most 101 s" in page
    assert "manage.py serve" in page


def test_a_host_without_a_watcher_says_so(shown):
    (settings.DATA_DIR / STATUS_FILE).unlink()
    page = shown()
    assert "missing None was ever at work here." in page
    assert "behind by at most –" in page


def test_what_troubles_the_watcher_is_said(shown, watcher):
    say(watcher, doing="waiting", trouble="OperationalError 1205")
    page = shown()
    assert "Something went wrong; it waits a moment and tries again. OperationalError 1205" in page


def test_what_a_watcher_does_may_have_no_words_here(shown, watcher):
    say(watcher, doing="something new")
    assert "at work something new" in shown()


def test_a_copy_that_may_not_stand_in_says_why(shown):
    with connections["sqlite"].cursor() as cursor:
        cursor.execute("UPDATE rodcorp_copy SET complete_at = NULL")
    page = shown()
    assert "this host's copy may not stand in, because it was never filled completely." in page
    assert "May stand in no it was never filled completely" in page


def test_the_last_freeze_and_the_work_of_the_watcher_are_told(shown, watcher):
    say(watcher, pulls=1234, rows=5, heals=2, frozen_s=0.0432, reseeds=1)
    page = shown()
    assert "1,234 pulls, 5 rows, filled anew 1 times" in page
    assert "2 times; at the end of the last nobody could write for 43 ms" in page


def test_a_reason_is_shown_and_not_run(visitor):
    switching.to_copy("<script>alert(1)</script>")
    page = visitor.get("/databases/").content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_what_did_not_come_home_is_counted_and_leads_to_its_pages(
    shown, visitor, watcher, make_agent, system
):
    ada = make_agent("Ada", team="Core")
    watcher.step()
    switching.to_copy("test")
    run_in_unit(
        lambda unit: rows.change(Agent.objects.get(pk=ada.pk), team="Ours"),
        actor=system,
        operation="edit",
    )
    Agent.objects.using("mssql").update(team="Theirs")
    Healer(watcher.source).heal("test")
    found = Conflict.objects.get()
    page = shown()
    assert "1 row was not brought home as written and somebody has to look" in page
    assert "Open conflicts 1 " in page
    assert "In quarantine 0 " in page
    assert "GlobalAgentRegistry" in shown("/databases/conflicts/?state=open&kind=conflict")
    page = shown(f"/databases/conflicts/{found.pk}/")
    assert "Team ours was not taken Core Ours Theirs" in page
    assert "By system test" in page
    assert "On host this host" in page
    visitor.post(f"/databases/conflicts/{found.pk}/", {"resolution": "Theirs is right."})
    assert "There is nothing to do." in shown()


def test_nothing_is_resolved_on_a_host_that_is_stopped(visitor, company):
    company.modes.stop("somebody restored it")
    answer = visitor.post(f"/databases/conflicts/{uuid4()}/", {"resolution": "x"})
    assert answer.status_code == 503
    assert "somebody restored it" in answer.content.decode()


# --- what it costs --------------------------------------------------------------------------------


def test_a_lost_primary_is_not_looked_at_when_somebody_just_did(shown, company):
    switching.to_copy("test")
    company.link.cut()
    company.modes.record_probe(is_good=False)
    before = company.link.probes
    assert "it did not answer a moment ago" in shown()
    assert company.link.probes == before


def test_it_is_looked_at_when_nobody_has(shown, company):
    switching.to_copy("test")
    company.link.cut()
    (company.directory / "probe.json").unlink(missing_ok=True)
    before = company.link.probes
    assert "Answers no" in shown()
    assert company.link.probes == before + 1


def test_it_costs_the_same_with_more_hosts_and_more_switches(visitor, company, watcher):
    def queries():
        with (
            CaptureQueriesContext(connections["mssql"]) as there,
            CaptureQueriesContext(connections["sqlite"]) as here,
        ):
            assert visitor.get("/databases/").status_code == 200
        return len(there), len(here)

    def work():
        switching.to_copy("test")
        switching.to_primary("test")
        for number in range(5):
            Host.objects.create(
                id=uuid4(), name=f"host {number}", epoch=1, created_at=timezone.now()
            )

    work()
    few = queries()
    for _ in range(4):
        work()
    # there: who asks, conflicts, hosts; here: the tables, the copy, its fence, its journal
    assert queries() == few == (3, 4)


# --- on every page --------------------------------------------------------------------------------

PAGES = ["/", "/agents/", "/databases/", "/databases/conflicts/", "/admin/", "/admin/tasks/task/"]


@pytest.mark.parametrize("url", PAGES)
def test_every_page_says_where_the_data_is(visitor, company, url):
    assert badge_of(visitor.get(url)) == ("", "/databases/", "SQL Server")
    switching.to_copy("test")
    look, _, word = badge_of(visitor.get(url))
    assert look == "rc-warn"
    assert re.fullmatch(r"Copy since \d\d:\d\d", word)
    to_healing(company)
    assert badge_of(visitor.get(url)) == ("rc-busy", "/databases/", "Going home")
    company.modes.stop("somebody restored it")
    assert badge_of(visitor.get(url)) == ("rc-bad", "/databases/", "Nothing is written")


def test_the_badge_names_the_day_when_it_was_another(company):
    switching.to_copy("test")
    company.modes._connection().execute("UPDATE mode SET since = 0")
    assert place_of_data().word == "Copy since 1970-01-01"
    assert place_of_data().about.endswith("copy since 1970-01-01 00:00 UTC")


def test_the_badge_asks_no_database(company):
    with (
        CaptureQueriesContext(connections["mssql"]) as there,
        CaptureQueriesContext(connections["sqlite"]) as here,
        CaptureQueriesContext(connections["local"]) as local,
    ):
        place_of_data()
    assert (len(there), len(here), len(local)) == (0, 0, 0)
    assert company.link.probes == 0


def test_who_is_not_signed_in_sees_no_badge(company):
    page = Client().get("/admin/login/").content.decode()
    assert "rc-place" not in page
