"""How a department declares a service: the one write path of page, API, command and facade."""

import copy
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from django.db.models import Model

from rodcorp.actors import Actor, Permission
from rodcorp.databases.units import Unit, run_in_unit

P = ParamSpec("P")
T = TypeVar("T")

# every declared service by its operation; tests and the documentation read it
SERVICES: dict[str, Callable[..., Any]] = {}


def service(operation: str, *, needs: Permission) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """The function runs as one unit of work, for an actor who has the permission `needs`.

    It takes keywords only: `actor`, its inputs and, where a caller may repeat it, `key`. Rows among
    its inputs show what became of them once the unit is committed; when it fails they are as they
    were.
    """

    def declare(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            actor = cast(Actor, kwargs["actor"])
            actor.require(needs)
            key = cast(str | None, kwargs.get("key"))
            body = {name: kwargs[name] for name in kwargs if name not in ("actor", "key")}
            given = _rows(kwargs)
            copies: dict[str, Any] = {}

            def attempt(unit: Unit) -> T:
                # A unit may run twice, or fail. The function gets copies of the rows it is given:
                # run again it must find them as they were, not as its first attempt left them.
                copies.update((name, copy.copy(row)) for name, row in given)
                return function(*args, **{**kwargs, **copies})

            result = run_in_unit(attempt, actor=actor, operation=operation, key=key, body=body)
            for name, row in given:
                if name in copies:
                    row.__dict__.update(copies[name].__dict__)
            return result

        assert operation not in SERVICES, f"two services are called {operation}"
        SERVICES[operation] = run
        return run

    return declare


def _rows(arguments: Mapping[str, object]) -> list[tuple[str, Model]]:
    return [(name, value) for name, value in arguments.items() if isinstance(value, Model)]
