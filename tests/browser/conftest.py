import os

import pytest

from tests.browser import driver
from tests.databases.live import database_for_processes
from tests.processes import company, status, wait_for

if not driver.chromium() and os.environ.get("RODCORP_REQUIRE_ALL") == "1":
    raise RuntimeError("RODCORP_REQUIRE_ALL=1, but there is no Chromium to test the pages with.")


def pytest_collection_modifyitems(items):
    if driver.chromium():
        return
    skip = pytest.mark.skip(reason="NOT TESTED: the pages in a browser (there is no Chromium)")
    for item in items:
        if "/browser/" in str(item.path):
            item.add_marker(skip)


@pytest.fixture(scope="package")
def served(repository, tmp_path_factory, request):
    """The address of a company with sample data and a user for each role."""
    data = tmp_path_factory.mktemp("company")
    with (
        database_for_processes(request),
        company(repository, data, RODCORP_ADMIN_PASSWORD=driver.PASSWORD) as (_, address),
    ):
        wait_for(lambda: status(address + "/") == 200)
        driver.add_users(data)
        yield address


@pytest.fixture(scope="package")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, driver.started(playwright) as browser:
        yield browser


@pytest.fixture
def visitor(served, chromium):
    """`visitor(role=..., scheme=..., width=...)`, signed in."""
    there = []

    def come(**how):
        there.append(driver.Visitor(chromium, served, **how))
        return there[-1]

    yield come
    for somebody in there:
        somebody.context.close()
