"""How a department declares a service: the one write path of page, API, command and facade."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from rodcorp.actors import Actor, Permission
from rodcorp.databases.units import run_in_unit

P = ParamSpec("P")
T = TypeVar("T")

# every declared service by its operation; tests and the documentation read it
SERVICES: dict[str, Callable[..., Any]] = {}


def service(operation: str, *, needs: Permission) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """The function runs as one unit of work, for an actor who has the permission `needs`.

    It takes keywords only: `actor`, its inputs and, where a caller may repeat it, `key`.
    """

    def declare(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            actor = cast(Actor, kwargs["actor"])
            actor.require(needs)
            key = cast(str | None, kwargs.get("key"))
            body = {name: kwargs[name] for name in kwargs if name not in ("actor", "key")}
            return run_in_unit(
                lambda unit: function(*args, **kwargs),
                actor=actor,
                operation=operation,
                key=key,
                body=body,
            )

        assert operation not in SERVICES, f"two services are called {operation}"
        SERVICES[operation] = run
        return run

    return declare
