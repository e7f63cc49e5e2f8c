import pytest

from rodcorp.actors import AGENT_PERMISSIONS, ROLE_PERMISSIONS, Actor, ActorKind, Permission, Role
from rodcorp.errors import Conflict, InvalidInput, PermissionRefused
from rodcorp.people.errors import UserNotFound
from rodcorp.people.models import User
from rodcorp.people.services import (
    change_own_password,
    create_user,
    find_user,
    set_password,
    update_user,
)

EVERYTHING = set(Permission)
SUPERVISION = {
    "view",
    "post_messages",
    "be_present",
    "work_on_tasks",
    "manage_agents",
    "manage_tasks",
    "evaluate",
}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("viewer", {"view"}),
        ("supervisor", SUPERVISION),
        ("payroll", {"view", "post_messages", "move_coins", "run_payroll"}),
        ("operator", {"view", "import_data", "run_system"}),
        ("admin", EVERYTHING),
    ],
)
def test_a_role_has_its_permissions_and_no_others(role, allowed):
    assert ROLE_PERMISSIONS[Role(role)] == allowed
    user = User(username="x", role=role)
    assert {permission for permission in Permission if user.may(permission)} == allowed
    assert user.as_actor().permissions == allowed


def test_no_agent_moves_coins_or_manages_anybody():
    assert {"view", "post_messages", "be_present", "work_on_tasks"} == AGENT_PERMISSIONS


def test_somebody_inactive_may_nothing():
    user = User(username="x", role="admin", is_active=False)
    assert not any(user.may(permission) for permission in Permission)
    assert user.as_actor().permissions == frozenset()


@pytest.mark.django_db
class TestCreating:
    def test_a_user_has_a_uuid_that_follows_from_the_name(self, make_user, admin):
        assert admin.pk.version == 5
        assert User.objects.get(username="root").pk == admin.pk

    @pytest.mark.parametrize("taken", ["root", "ROOT", " Root "])
    def test_a_username_is_unique_whatever_its_case(self, admin, make_user, taken):
        with pytest.raises(Conflict, match="is taken") as refusal:
            make_user(username=taken)
        assert refusal.value.field == "username"
        assert User.objects.count() == 1

    def test_so_is_one_with_letters_the_database_cannot_fold(self, make_user):
        make_user(username="Zoë")
        with pytest.raises(Conflict, match="is taken"):
            make_user(username="ZOË")

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("password", "12345", "too short.*too common.*entirely numeric"),
            ("password", "a-newcomer", "too similar to the username"),
            ("email", "nowhere", "address like"),
            ("role", "boss", "viewer, supervisor, payroll, operator, admin"),
            ("username", "", "must not be empty"),
            ("display_name", "a\x00b", "U\\+0000"),
        ],
    )
    def test_a_bad_value_is_refused_and_named(self, make_user, field, value, said):
        details = {"username": "a-newcomer", field: value}
        if field == "username":
            details["username"] = " "
        with pytest.raises(InvalidInput, match=said) as refusal:
            make_user(**{"role": "viewer", **details})
        assert refusal.value.field == field
        assert not User.objects.exists()

    def test_without_a_password_nobody_can_sign_in(self, make_user):
        assert not make_user(password=None).has_usable_password()

    @pytest.mark.parametrize("role", ["viewer", "supervisor", "payroll", "operator"])
    def test_only_an_admin_may(self, make_user, role):
        actor = make_user(role).as_actor()
        with pytest.raises(PermissionRefused, match="manage_users"):
            create_user(actor=actor, username="x", password=None)


@pytest.mark.django_db
class TestChanging:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [({"role": "viewer"}, "role"), ({"is_active": False}, "is_active")],
    )
    def test_the_last_active_admin_stays(self, admin, make_user, system, changes, field):
        retired = make_user("admin")
        update_user(actor=system, user=retired, is_active=False)
        with pytest.raises(Conflict, match="last active admin") as refusal:
            update_user(actor=system, user=admin, **changes)
        assert refusal.value.field == field
        assert User.objects.get(pk=admin.pk).may(Permission.MANAGE_USERS)

    def test_one_of_two_admins_may_go(self, admin, make_user, system):
        make_user("admin")
        update_user(actor=system, user=admin, is_active=False)
        assert not User.objects.get(pk=admin.pk).is_active

    def test_what_no_service_takes_is_refused(self, admin, system):
        with pytest.raises(InvalidInput, match="no 'password'"):
            update_user(actor=system, user=admin, password="x")

    def test_history_says_who_and_never_holds_a_password(self, admin, system):
        set_password(actor=system, user=admin, password="another-horse-7")
        created, changed = admin.history.order_by("history_date")
        assert (created.history_type, changed.history_type) == ("+", "~")
        assert changed.actor_name == "test"
        assert not hasattr(changed, "password")
        names = {field.name for field in type(changed)._meta.get_fields()}
        assert "password" not in names

    def test_a_weak_password_is_refused_naming_the_field(self, admin, system):
        with pytest.raises(InvalidInput, match="too common") as refusal:
            set_password(actor=system, user=admin, password="password1")
        assert refusal.value.field == "password"
        assert User.objects.get(pk=admin.pk).check_password("correct-horse-9")

    def test_everybody_may_change_their_own_password(self, make_user):
        user = make_user("viewer")
        change_own_password(
            actor=user.as_actor(),
            user=user,
            old_password="correct-horse-9",
            new_password="another-horse-7",
        )
        assert User.objects.get(pk=user.pk).check_password("another-horse-7")

    def test_but_only_knowing_the_present_one(self, make_user):
        user = make_user("viewer")
        with pytest.raises(InvalidInput, match="present password"):
            change_own_password(
                actor=user.as_actor(), user=user, old_password="no", new_password="another-horse-7"
            )

    def test_and_nobody_elses(self, make_user, admin):
        with pytest.raises(PermissionRefused, match="one's own"):
            change_own_password(
                actor=make_user("operator").as_actor(),
                user=admin,
                old_password="correct-horse-9",
                new_password="another-horse-7",
            )

    def test_a_user_saved_outside_a_unit_of_work_is_an_error(self, admin):
        admin.set_password("another-horse-7")
        with pytest.raises(RuntimeError, match="unit of work"):
            admin.save()
        assert User.objects.get().check_password("correct-horse-9")

    def test_an_unknown_username_is_not_found(self):
        with pytest.raises(UserNotFound, match="no user 'nobody'"):
            find_user("nobody")


def test_an_actor_without_a_role_may_nothing():
    assert Actor(ActorKind.USER, "1", "x").permissions == frozenset()
