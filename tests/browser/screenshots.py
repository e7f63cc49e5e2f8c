"""Retake the screenshots in docs/images: `make screenshots`. With a directory as its argument it
takes every page there, light and dark, at both widths."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import driver
from tests.processes import company, status, wait_for

# what the documentation shows: page -> looks
SHOWN = {
    "home": [("light", 1280), ("dark", 1280), ("light", 390)],
    "agents": [("light", 1280), ("dark", 390)],
    "agent": [("light", 1280)],
    "discussions": [("light", 1280)],
    "thread": [("light", 1280), ("dark", 390)],
    "tasks": [("light", 1280), ("dark", 1280)],
    "task": [("light", 1280)],
    "leaderboard": [("dark", 1280), ("light", 390)],
    "ledger": [("light", 1280)],
    "payslip": [("light", 1280)],
    "pay-cycle-closed": [("dark", 1280)],
}
EVERY = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]


def main(directory=None):
    target = Path(directory or driver.ROOT / "docs" / "images")
    target.mkdir(parents=True, exist_ok=True)
    wanted = dict.fromkeys(driver.PAGES, EVERY) if directory else SHOWN
    with (
        tempfile.TemporaryDirectory() as data,
        company(
            driver.ROOT, Path(data), RODCORP_ADMIN_PASSWORD=driver.PASSWORD, RODCORP_HTTPS="0"
        ) as (
            _,
            address,
        ),
        sync_playwright() as playwright,
        driver.started(playwright) as browser,
    ):
        wait_for(lambda: status(address + "/") == 200)
        for scheme, width in EVERY:
            visitor = driver.Visitor(browser, address, scheme=scheme, width=width)
            for name in [name for name, looks in wanted.items() if (scheme, width) in looks]:
                visitor.visit(name)
                visitor.page.wait_for_timeout(400)
                visitor.page.screenshot(path=target / f"{name}-{scheme}-{width}.png")
            visitor.context.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
