"""Refusals of this department."""

from rodcorp.errors import NotFound


class UserNotFound(NotFound):
    code = "user_not_found"
