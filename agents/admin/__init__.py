"""The registry and the discussions in the admin."""

from agents.admin import discussions, registry

__all__ = ["discussions", "registry"]
