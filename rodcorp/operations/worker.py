"""The job worker."""

import time

from rodcorp.operations.children import parent_is_gone


def run_until_stopped(*, with_parent: bool) -> None:
    """Run the worker in this process until it is told to stop or, `with_parent`, until standard
    input is closed, which happens however the parent ends."""
    from django_q.cluster import Cluster

    from rodcorp.kit.jobs import install_schedules

    install_schedules()
    cluster = Cluster()
    cluster.start()
    while cluster.sentinel.is_alive():
        time.sleep(0.2)
        if with_parent and parent_is_gone():
            cluster.stop()
