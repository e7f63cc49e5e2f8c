"""What a service says when it refuses.

Every refusal is a `RodCorpError`. Each interface (page, API, command, facade) renders it in one
place from `code`, `http_status`, `message` and `field`; the message is safe to show to the caller
and says what is allowed.
"""

from collections.abc import Mapping


class RodCorpError(Exception):
    """Base of all refusals. `field` names the input at fault, in the caller's words."""

    code = "refused"
    http_status = 400

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.details = dict(details or {})


class InvalidInput(RodCorpError):
    """A value that no state of the data could make acceptable."""

    code = "invalid_input"
    http_status = 422


class NotFound(RodCorpError):
    code = "not_found"
    http_status = 404


class PermissionRefused(RodCorpError):
    code = "forbidden"
    http_status = 403


class Conflict(RodCorpError):
    """The value is fine, but the present state of the data does not allow it."""

    code = "conflict"
    http_status = 409


class KeyReused(Conflict):
    """The same idempotency key came with another request body."""

    code = "key_reused"


class Unavailable(RodCorpError):
    """Neither database can take this now. It was not written, or is safe to repeat under the same
    key; `details["retry_after_s"]` says when to try."""

    code = "unavailable"
    http_status = 503

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        super().__init__(message, details={"retry_after_s": retry_after_s})


class Busy(RodCorpError):
    """Nothing is wrong with the request, but this process has no room for it right now. Nothing
    was done; `details["retry_after_s"]` says when to try."""

    code = "busy"
    http_status = 503
