"""The form with which people change their own password."""

from typing import Any

from unfold.forms import AdminOwnPasswordChangeForm

from rodcorp.people.models import User
from rodcorp.people.services import change_own_password


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    def set_password_and_save(self, user: Any, *args: Any, **kwargs: Any) -> Any:
        """Django's form would save the user itself, outside any unit of work."""
        changed = change_own_password(
            actor=user.as_actor(),
            user=User.objects.get(pk=user.pk),  # `user` is a lazy stand-in
            old_password=self.cleaned_data["old_password"],
            new_password=self.cleaned_data["new_password1"],
        )
        user.password = changed.password
        return user
