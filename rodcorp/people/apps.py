from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "rodcorp.people"
    label = "people"
    verbose_name = "People"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from rodcorp.people.services import note_login

        # Django's receiver saves the user outside any unit of work
        user_logged_in.disconnect(dispatch_uid="update_last_login")
        user_logged_in.connect(note_login, dispatch_uid="rodcorp.people.note_login")
