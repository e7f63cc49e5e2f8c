"""The pages about the two databases, in a real browser, while the copy stands in."""

import os
import subprocess
import sys

import pytest

from tests.browser import driver
from tests.browser.two_sides import TITLE
from tests.processes import free_port, status, wait_for

LOOKS = [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]

PAGES = {
    "databases": "/databases/",
    "conflicts": "/databases/conflicts/",
    "conflict": ("/databases/conflicts/?kind=conflict", ".rc-table tbody a"),
    "quarantine": ("/databases/conflicts/?kind=quarantine", ".rc-table tbody a"),
    "home": "/",
    "records": "/admin/databases/conflict/",
}


@pytest.fixture(scope="module")
def two_sides(repository, tmp_path_factory):
    """The address of a company that has two databases."""
    data, port = tmp_path_factory.mktemp("two-sides"), free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.two_sides", str(port)],
        cwd=repository,
        env={**os.environ, "RODCORP_DATA_DIR": str(data), "MSSQL_HOST": ""},
    )
    try:
        wait_for(lambda: status(f"http://127.0.0.1:{port}/admin/login/") == 200, seconds=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def visitor(two_sides, chromium):
    there = []

    def come(**how):
        there.append(driver.Visitor(chromium, two_sides, **how))
        return there[-1]

    yield come
    for somebody in there:
        somebody.context.close()


def visit(somebody, name):
    way = PAGES[name]
    if isinstance(way, str):
        return somebody.visit(way)
    first, link = way
    somebody.visit(first)
    return somebody.visit(somebody.page.locator(link).first.get_attribute("href"))


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_every_page_loads_fits_and_asks_nobody_else(visitor, scheme, width):
    somebody = visitor(scheme=scheme, width=width)
    for name in PAGES:
        assert visit(somebody, name).status == 200, name
        badge = somebody.page.locator(".rc-place-word")
        assert badge.is_visible(), name
        assert badge.inner_text().startswith("Copy since"), name
        overflow = somebody.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, f"{name} is {overflow} px wider than the screen"
    assert somebody.elsewhere == []
    assert somebody.errors == []


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_axe_finds_no_violation(visitor, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    somebody = visitor(scheme=scheme, width=width)
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = {}
    for name in PAGES:
        visit(somebody, name)
        somebody.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        somebody.page.wait_for_timeout(150)
        for violation in Axe().run(somebody.page, options=options).response["violations"]:
            nodes = [node["html"][:160] for node in violation["nodes"]][:3]
            found.setdefault(violation["id"], []).append((name, nodes))
    assert found == {}


def test_the_badge_leads_to_what_it_is_about(visitor):
    somebody = visitor(role="viewer")
    somebody.page.locator(".rc-place").click()
    somebody.page.wait_for_url("**/databases/")
    assert "The company's data is in this host's copy." in somebody.page.inner_text("main")


def test_a_nasty_text_is_shown_and_not_run(visitor):
    somebody = visitor(role="viewer")
    visit(somebody, "conflict")
    assert TITLE in somebody.page.inner_text("main")
    assert somebody.page.evaluate("window.ran") is None
    assert somebody.page.locator("main form[method=post]").count() == 0


def test_an_operator_looks_at_one_and_marks_it_as_resolved(visitor):
    page = (somebody := visitor(role="operator", width=390)).page
    somebody.visit("/databases/")
    page.get_by_role("link", name="In quarantine").click()
    before = page.locator(".rc-table tbody tr").count()
    page.locator(".rc-table tbody a").first.click()
    page.get_by_label("What was done about it").fill("Entered again.")
    page.get_by_role("button", name="Mark as resolved").click()
    page.wait_for_load_state()
    assert "Entered again." in page.inner_text("main")
    assert page.get_by_role("button", name="Mark as resolved").count() == 0
    somebody.visit("/databases/conflicts/?state=open&kind=quarantine")
    assert page.locator(".rc-table tbody tr:not(.rc-empty)").count() == before - 1
