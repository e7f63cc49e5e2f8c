"""How users written on both sides become one."""

from rodcorp.databases.sync.rules import Rule, declare
from rodcorp.people.models import User

declare(Rule(User, latest=frozenset({"last_login"}), retire={"is_active": False}))
