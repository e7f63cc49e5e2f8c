"""Where the embedded files are: this host must be able to lock them."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "sshfs", "fuse.sshfs", "9p", "ceph", "glusterfs",
     "fuse.glusterfs", "afs", "lustre", "gfs2", "ocfs2", "beegfs"}
)  # fmt: skip

_MOUNTS = Path("/proc/self/mounts")


def refuse_network_file_system(directory: Path) -> None:
    """SQLite's locks do not hold there, so two hosts would write one file. Raises
    `ImproperlyConfigured`."""
    kind = file_system_of(directory)
    if kind in _NETWORK:
        raise ImproperlyConfigured(
            f"RODCORP_DATA_DIR ({directory}) is on a network file system ({kind}), where the locks "
            "of the embedded databases do not hold. Name a folder on this host's own disk."
        )


def file_system_of(directory: Path) -> str:
    """Its kind, as the system calls it; empty where the system does not say."""
    try:
        mounts = [line.split() for line in _MOUNTS.read_text().splitlines()]
    except OSError:
        return ""
    path = os.path.realpath(directory)
    above = [
        (len(point), kind)
        for _, point, kind, *_ in mounts
        if os.path.commonpath([path, _unescaped(point)]) == _unescaped(point)
    ]
    return max(above, default=(0, ""))[1]


def _unescaped(point: str) -> str:
    return point.encode().decode("unicode_escape")
