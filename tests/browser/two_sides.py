"""`python -m tests.browser.two_sides PORT`: serves a company on two files, in RODCORP_DATA_DIR,
whose copy stands in, after a first way home that left conflicts."""

import os
import sys

TITLE = "Ours <script>window.ran = true</script> مرحبا 🎉"


def main(port: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.sides.settings"
    import uvicorn
    from django.conf import settings
    from django.db import connections

    from rodcorp.asgi import application  # loads the applications
    from rodcorp.databases import failover
    from tests.sides.company import lay_out

    lay_out(settings.DATA_DIR)
    failover.probe = settings.LINK.probe
    _live_through_two_outages()
    connections.close_all()
    uvicorn.run(application, port=port, log_level="error")


def _live_through_two_outages() -> None:
    from agents.models import Agent
    from agents.services.discussions import post_message
    from agents.services.registry import register_agent
    from rodcorp.actors import Actor
    from rodcorp.databases import hosts, switching
    from rodcorp.databases.sync.feed import Feed
    from rodcorp.databases.sync.healing import Healer
    from rodcorp.people.services import create_user
    from tasks.models import Task
    from tasks.services.creation import create_task
    from tasks.services.work import update_task
    from tests.browser import driver
    from tests.sides.source import FileVersions

    me, machine = Actor.system("test"), {"machine_hostname": "h", "machine_ip": "127.0.0.1"}
    source = FileVersions()
    source.install()
    hosts.register()
    for role in driver.ROLES:
        create_user(actor=me, username=role, password=driver.PASSWORD, role=role)
    ada = register_agent(actor=me, name="Ada", **machine)
    task = create_task(actor=me, agent=ada, title="Manual", description="Write it.")
    feed = Feed(source)
    feed.pull()

    switching.to_copy("not reached: refused")
    update_task(actor=me, task=task, title=TITLE, description="Ours, at length. " * 60)
    register_agent(actor=me, name="Grace", team="x" * 90, **machine)
    Task.objects.using("mssql").update(title="Theirs", description="y" * 500)
    Agent.objects.using("mssql").create(name="Grace", project="default", **machine)
    Healer(source).heal("the primary is back")
    feed.pull()

    switching.to_copy("not reached: timed out")
    post_message(actor=me, agent=ada, topic="Away", message="Written to the copy.")


if __name__ == "__main__":
    main(int(sys.argv[1]))
