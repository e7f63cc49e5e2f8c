from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "rodcorp.people"
    label = "people"
    verbose_name = "People"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from rodcorp.people.services import note_login

        # Django's receiver would save the user outside any unit of work. A signal takes one
        # receiver for a dispatch_uid, so this holds whichever app is ready first.
        user_logged_in.disconnect(dispatch_uid="update_last_login")
        user_logged_in.connect(note_login, dispatch_uid="update_last_login")
