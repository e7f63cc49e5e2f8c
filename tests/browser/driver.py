"""A real Chromium on a real company: what the browser tests and the screenshots share."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROLES = ("viewer", "supervisor", "payroll", "operator", "admin")
PASSWORD = "correct-horse-9"
ROOT = Path(__file__).resolve().parent.parent.parent

# page -> address, or a way to it: a list, and the link to follow on it and on each page after it
PAGES = {
    "home": "/",
    "agents": "/agents/",
    "agent": ("/agents/", ".rc-table tbody a"),
    "agent-new": "/agents/new/",
    "discussions": "/discussions/",
    "thread": ("/discussions/", ".rc-table tbody a"),
    "discussion-new": "/discussions/new/",
    "tasks": "/tasks/",
    "task": ("/tasks/?status=completed", ".rc-table tbody a"),
    "task-new": "/tasks/new/",
    "leaderboard": "/leaderboard/",
    "ledger": "/ledger/",
    "transaction": ("/ledger/", ".rc-table tbody a"),
    "payroll": "/payroll/",
    "pay-cycle-new": "/payroll/cycles/new/",
    "pay-cycle": ("/payroll/", ".rc-table tbody a"),
    "pay-cycle-closed": ("/payroll/?state=closed", ".rc-table tbody a"),
    "payslip": ("/payroll/?state=closed", ".rc-table tbody a", ".rc-table tbody a"),
    "payroll-analytics": "/payroll/analytics/",
    "databases": "/databases/",
    "conflicts": "/databases/conflicts/",
    "records": "/admin/",
    "records-agents": "/admin/agents/agent/",
    "records-tasks": "/admin/tasks/task/",
    "records-ledger": "/admin/payroll/rodcoinstransaction/",
}

# Chromium's own services would be requests that leave the machine.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def chromium():
    """Where Chromium is, or None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return None


def add_users(data):
    """One user a role, named like it."""
    lines = "\n".join(
        f"create_user(actor=me, username={role!r}, password={PASSWORD!r}, role={role!r})"
        for role in ROLES
        if role != "admin"
    )
    script = (
        "from rodcorp.bootstrap import setup; setup()\n"
        "from rodcorp.actors import Actor\n"
        "from rodcorp.people.services import create_user\n"
        f"me = Actor.system('test')\n{lines}\n"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "RODCORP_DATA_DIR": str(data)},
        check=True,
    )


class Visitor:
    """Somebody of a role, at a width, by day or by night."""

    def __init__(self, browser, address, *, role="admin", scheme="light", width=1280):
        self.address = address
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.page = self.context.new_page()
        self.elsewhere = []
        self.errors = []
        self.page.on("request", self._note_request)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.sign_in(role)

    def _note_request(self, request):
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def sign_in(self, role):
        self.page.goto(f"{self.address}/admin/login/?next=/")
        self.page.fill("[name=username]", role)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("[type=submit]")
        self.page.wait_for_url(f"{self.address}/")

    def visit(self, name):
        """Open a page of PAGES, or an address."""
        way = PAGES.get(name, name)
        if isinstance(way, str):
            return self.page.goto(self.address + way)
        first, *links = way
        answer = self.page.goto(self.address + first)
        for link in links:
            href = self.page.locator(link).first.get_attribute("href")
            answer = self.page.goto(self.address + href)
        return answer


@contextmanager
def started(playwright):
    browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
    try:
        yield browser
    finally:
        browser.close()
