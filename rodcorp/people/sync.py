"""How users written on both sides become one, and who may still act."""

from rodcorp.databases.sync.rules import Rule, declare, declare_actor
from rodcorp.people.models import User

declare(Rule(User, latest=frozenset({"last_login"}), retire={"is_active": False}))


def _reason_against(alias: str, user: str) -> str:
    found = User.objects.using(alias).filter(pk=user).first()
    if found is None:
        return "the user is not there any more"
    return "" if found.is_active else "the user was locked out meanwhile"


declare_actor("user", _reason_against)
