"""The documented start: the schema up to date, and a database that was never used filled with
sample data. Several processes may start at once; one does the work, the others wait for it."""

from collections.abc import Callable

import portalocker
from django.conf import settings
from django.core.management import call_command

from rodcorp.actors import Actor
from rodcorp.databases.schema import aliases, is_behind
from rodcorp.operations.sample import is_never_used, load_sample_data

# A first start migrates and loads the sample: seconds. Longer means that something hangs.
START_TIMEOUT_S = 120


def start(say: Callable[[str], None] = lambda message: None) -> None:
    """Make this host's databases ready to use. `say` is told of what takes time."""
    lock = settings.DATA_DIR / "start.lock"
    with portalocker.Lock(lock, "a", timeout=START_TIMEOUT_S, check_interval=0.05):
        for alias in filter(is_behind, aliases()):
            say(f"Bringing the database '{alias}' up to date ...")
            call_command("migrate", database=alias, verbosity=0, interactive=False)
        if settings.RODCORP_SAMPLE_DATA and is_never_used():
            say("Filling the new database with sample data ...")
            load_sample_data(actor=Actor.system("start"))
