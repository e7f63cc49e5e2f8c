"""A stamp that changes with every committed unit of this host, so that what was computed from the
data can be cached and is never stale here. Changes made elsewhere are bounded by the cache's age.
"""

import os
import time

from django.conf import settings


def _path() -> str:
    return os.path.join(settings.DATA_DIR, "data.stamp")


def data_changed() -> None:
    """Tell every process of this host that the company's data changed. About 5 microseconds."""
    path = _path()
    try:
        os.utime(path, ns=(time.time_ns(),) * 2)
    except FileNotFoundError:
        with open(path, "ab"):
            pass
        os.utime(path, ns=(time.time_ns(),) * 2)


def data_stamp() -> int:
    """Read it before computing what is to be cached under it."""
    try:
        return os.stat(_path()).st_mtime_ns
    except FileNotFoundError:
        return 0
