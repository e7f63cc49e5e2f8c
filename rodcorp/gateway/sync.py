"""How tokens written on both sides become one."""

from rodcorp.databases.sync.rules import Rule, declare
from rodcorp.gateway.models import AccessToken

declare(Rule(AccessToken, latest=frozenset({"last_used_at"})))
