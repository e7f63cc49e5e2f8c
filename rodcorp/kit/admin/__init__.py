"""What the departments' admins are built from.

Every write goes through a service: the form tries it first (a dry run), so that a refusal appears
at the field it is about and nothing that was typed is lost; saving runs it for real. Who may do
what follows from the role. Django's own permissions, log and transactions are not used.

- `base`: an admin whose writes are services, and one that only shows
- `forms`: a form that asks the service before it is saved
- `history`: what changed from what to what, by whom
- `exports`, `imports`, `uploads`: CSV out, and in through the services
- `host`, `engine`: the tables of this host's own file (jobs, leases, failed sign-ins) and the
  engine's
"""

from rodcorp.kit.admin.access import actor_of, may
from rodcorp.kit.admin.base import Autocomplete, BaseAdmin, ReadOnlyAdmin, ReadOnlyInline
from rodcorp.kit.admin.forms import BaseForm
from rodcorp.kit.admin.imports import Importer

__all__ = [
    "Autocomplete",
    "BaseAdmin",
    "BaseForm",
    "Importer",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "actor_of",
    "may",
]

# they register tables, and need the above
from rodcorp.kit.admin import engine, host  # noqa: F401
