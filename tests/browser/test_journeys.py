"""What people do in the console, step by step, in a real browser."""

import itertools

import pytest

NUMBERS = itertools.count(1)

NASTY = {
    "a script": "<script>window.ran = true</script><img src=x onerror='window.ran = true'>",
    "an emoji": "Shipped 🎉👩‍👩‍👧‍👦",
    "right to left": "مرحبا بالعالم — שלום עולם",
    "4,000 characters": "x" * 4_000,
}


@pytest.fixture
def supervisor(visitor):
    return visitor(role="supervisor", width=390)


@pytest.mark.parametrize("kind", NASTY)
def test_a_nasty_message_is_posted_and_shown_as_it_is(supervisor, kind):
    page, text = supervisor.page, NASTY[kind]
    supervisor.visit("discussion-new")
    page.fill("[name=topic]", f"Test of {kind} {next(NUMBERS)}")
    page.fill("[name=message]", text)
    page.locator(".rc-form [type=submit]").click()
    shown = page.locator(".rc-text").first
    assert shown.inner_text().strip() == text
    assert page.evaluate("window.ran") is None
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) <= 0


def test_a_refused_form_says_why_at_the_field_and_loses_nothing(supervisor):
    page = supervisor.page
    supervisor.visit("agent-new")
    page.fill("[name=name]", "Zoe")
    page.fill("[name=machine_ip]", "300.1.1.1")
    page.fill("[name=specialization]", "Compilers")
    page.locator(".rc-form [type=submit]").click()
    wrong = page.locator(".rc-wrong")
    assert wrong.count() == 1
    assert "must be an IPv4 or IPv6 address" in wrong.inner_text()
    assert page.input_value("[name=specialization]") == "Compilers"
    assert page.input_value("[name=machine_ip]") == "300.1.1.1"


def test_a_task_is_created_moved_to_completed_and_pays(visitor):
    somebody = visitor(role="admin")
    page = somebody.page
    somebody.visit("task-new")
    page.fill("[name=description]", f"Write the manual {next(NUMBERS)}")
    page.select_option("[name=agent]", index=1)
    page.locator(".rc-form [type=submit]").click()
    page.wait_for_url("**/tasks/*-*/")
    assert "pending" in page.locator("main").inner_text()
    page.select_option("[name=status]", "completed")
    page.locator("form:has([name=status]) [type=submit]").click()
    page.wait_for_load_state()
    text = page.locator("main").inner_text()
    assert "completed" in text
    assert "waiting" in text


def test_two_clicks_on_send_write_once(supervisor):
    page, topic = supervisor.page, f"Clicked twice {next(NUMBERS)}"
    supervisor.visit("discussion-new")
    page.fill("[name=topic]", topic)
    page.fill("[name=message]", "Once, please.")
    page.locator(".rc-form [type=submit]").dblclick()
    page.wait_for_url("**/discussions/*-*/**")
    supervisor.visit(f"/discussions/?topic={topic.replace(' ', '+')}")
    assert page.locator(".rc-table tbody tr").count() == 1


def test_filters_and_order_survive_the_next_page(visitor):
    somebody = visitor()
    page = somebody.page
    somebody.visit("/ledger/")
    page.get_by_role("columnheader", name="Amount").get_by_role("link").click()
    amounts = page.locator("td[data-label=Amount]").all_inner_texts()
    page.get_by_role("link", name="Next →").click()
    assert "sort=" in page.url
    more = page.locator("td[data-label=Amount]").all_inner_texts()
    numbers = [
        int(text.replace(",", "").replace("+", "").replace("−", "-")) for text in amounts + more
    ]
    assert numbers in (sorted(numbers), sorted(numbers, reverse=True))


def test_who_only_looks_finds_no_button(visitor):
    somebody = visitor(role="viewer")
    for name in ("agents", "agent", "discussions", "thread", "tasks", "task", "ledger"):
        somebody.visit(name)
        assert somebody.page.locator("main .rc-primary").count() == 0, name
        assert somebody.page.locator("main form[method=post]").count() == 0, name
