import pytest

from rodcorp.people.models import User

pytestmark = pytest.mark.django_db

USERS = "/admin/people/user/"


def form_of(user, **changes):
    form = {"display_name": user.display_name, "email": user.email, "role": user.role}
    return {**form, "is_active": "on", **changes}


def errors(response):
    return response.context["adminform"].form.errors


def test_a_user_is_created_who_can_sign_in(browser):
    browser().post(
        f"{USERS}add/",
        {"username": "rosa", "role": "supervisor", "new_password": "correct-horse-9"},
    )
    user = User.objects.get(username="rosa")
    assert (user.role, user.check_password("correct-horse-9")) == ("supervisor", True)
    assert user.history.get().actor_name == "a-admin"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("new_password", "12345", "too short"),
        ("new_password", "", "required"),
        ("username", "A-Admin", "is taken"),
        ("email", "nowhere", "valid email"),
    ],
)
def test_a_bad_value_is_refused_at_its_field(browser, field, value, said):
    client = browser()
    form = {"username": "rosa", "role": "viewer", "new_password": "correct-horse-9", field: value}
    response = client.post(f"{USERS}add/", form)
    assert said in str(errors(response)[field])
    assert User.objects.count() == 1


def test_a_typed_password_is_asked_for_again_when_something_else_was_wrong(browser, make_user):
    user = make_user("viewer")
    response = browser().post(
        f"{USERS}{user.pk}/change/",
        form_of(user, role="boss", new_password="another-horse-7"),
    )
    assert "Type the password again" in str(errors(response)["new_password"])
    assert "another-horse-7" not in response.text


def test_a_role_and_a_password_change_together(browser, make_user):
    user = make_user("viewer")
    browser().post(
        f"{USERS}{user.pk}/change/",
        form_of(user, role="payroll", new_password="another-horse-7"),
    )
    user.refresh_from_db()
    assert (user.role, user.check_password("another-horse-7")) == ("payroll", True)


def test_an_empty_password_keeps_the_present_one(browser, make_user):
    user = make_user("viewer")
    browser().post(f"{USERS}{user.pk}/change/", form_of(user, display_name="Vera"))
    user.refresh_from_db()
    assert (user.display_name, user.check_password("correct-horse-9")) == ("Vera", True)


def test_changing_ones_own_password_keeps_one_signed_in(browser):
    client = browser()
    user = User.objects.get()
    client.post(f"{USERS}{user.pk}/change/", form_of(user, new_password="another-horse-7"))
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    ("changes", "field"), [({"role": "viewer"}, "role"), ({"is_active": ""}, "is_active")]
)
def test_the_last_admin_stays(browser, changes, field):
    client = browser()
    user = User.objects.get()
    response = client.post(f"{USERS}{user.pk}/change/", form_of(user, **changes))
    assert "last active admin" in str(errors(response)[field])
    user.refresh_from_db()
    assert (user.role, user.is_active) == ("admin", True)


def test_deactivating_spares_the_last_admin(browser, make_user):
    other = make_user("viewer")
    client = browser()
    response = client.post(
        USERS,
        {
            "action": "deactivate",
            "_selected_action": [str(user.pk) for user in User.objects.all()],
        },
        follow=True,
    )
    assert "Done for 1" in response.text
    assert "last active admin" in response.text
    assert not User.objects.get(pk=other.pk).is_active


class TestOwnPassword:
    URL = "/admin/password_change/"

    def change(self, client, old="correct-horse-9", new="another-horse-7"):
        return client.post(
            self.URL, {"old_password": old, "new_password1": new, "new_password2": new}
        )

    def test_everybody_changes_their_own(self, browser):
        client = browser("viewer")
        assert self.change(client).status_code == 302
        user = User.objects.get()
        assert user.check_password("another-horse-7")
        assert user.history.latest("history_date").actor_name == "a-viewer"
        assert client.get("/admin/").status_code == 200

    @pytest.mark.parametrize(
        ("form", "said"),
        [({"old": "wrong"}, "entered incorrectly"), ({"new": "12345"}, "too short")],
    )
    def test_a_mistake_is_said_and_nothing_changes(self, browser, form, said):
        response = self.change(browser("viewer"), **form)
        assert said in response.text
        assert User.objects.get().check_password("correct-horse-9")
