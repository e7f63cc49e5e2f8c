"""`python -m tests.sides.watch`: a host's watcher on a company's two files, until standard input
ends.
What it waits for is shorter than in earnest."""

import os
import select
import sys


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.sides.settings"
    import django

    django.setup()
    from django.conf import settings

    from rodcorp.databases import failover
    from rodcorp.databases.sync import watcher
    from tests.sides.source import FileVersions

    failover.probe = settings.LINK.probe
    watcher.STEADY_S, watcher.LOOK_EVERY_S = 0.3, 0.1
    watcher.FIRST_BACKOFF_S = 0.1
    watcher.Watcher(FileVersions()).run(lambda: bool(select.select([sys.stdin], [], [], 0)[0]))


if __name__ == "__main__":
    main()
