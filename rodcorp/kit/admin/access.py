"""Who asks, and what they may do."""

from typing import Any

from django.http import HttpRequest

from rodcorp.actors import Permission, actor_of

__all__ = ["actor_of", "may"]


def may(request: HttpRequest, permission: Permission) -> bool:
    """Whether whoever asks is signed in with a role that has the permission."""
    user: Any = request.user
    return bool(user.is_authenticated and user.may(permission))
