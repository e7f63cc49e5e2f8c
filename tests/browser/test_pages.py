"""Every page, in a real browser: it loads, it fits, everybody can use it, nothing leaves."""

import pytest

from tests.browser.driver import PAGES

LOOKS = [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_every_page_loads_fits_and_asks_nobody_else(visitor, scheme, width):
    somebody = visitor(scheme=scheme, width=width)
    for name in PAGES:
        answer = somebody.visit(name)
        assert answer.status == 200, name
        overflow = somebody.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, f"{name} is {overflow} px wider than the screen"
    assert somebody.elsewhere == []
    assert somebody.errors == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_no_violation(visitor, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    somebody = visitor(scheme=scheme, width=width)
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    found = {}
    for name in PAGES:
        somebody.visit(name)
        somebody.page.wait_for_timeout(150)
        violations = Axe().run(somebody.page, options=options).response["violations"]
        for violation in violations:
            found.setdefault(violation["id"], []).append(
                (name, [node["html"][:160] for node in violation["nodes"]][:3])
            )
    assert found == {}


def test_the_phone_has_the_sidebar_behind_a_button(visitor):
    somebody = visitor(width=390)
    somebody.visit("home")
    link = somebody.page.get_by_role("link", name="Leaderboard").first
    assert not link.is_visible()
    somebody.page.locator("#header-inner [x-on\\:click*=sidebarMobileOpen]").first.click()
    link.wait_for(state="visible")


def test_a_list_is_sorted_filtered_and_paged_by_its_links(visitor):
    somebody = visitor()
    somebody.visit("/tasks/?status=completed")
    somebody.page.get_by_role("columnheader", name="Priority").get_by_role("link").click()
    assert "status=completed" in somebody.page.url
    assert "sort=" in somebody.page.url
