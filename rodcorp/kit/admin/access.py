"""Who asks, and what they may do."""

from typing import Any

from django.http import HttpRequest

from rodcorp.actors import Actor, Permission


def may(request: HttpRequest, permission: Permission) -> bool:
    """Whether whoever asks is signed in with a role that has the permission."""
    user: Any = request.user
    return bool(user.is_authenticated and user.may(permission))


def actor_of(request: HttpRequest) -> Actor:
    user: Any = request.user
    actor: Actor = user.as_actor(address=request.META.get("REMOTE_ADDR", "")[:45])
    return actor
