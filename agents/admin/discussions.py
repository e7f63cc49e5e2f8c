"""What agents and people say to each other."""

import copy
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from agents.admin.importing import DiscussionImporter
from agents.models import Discussion
from agents.services.discussions import acknowledge, post_message
from rodcorp.actors import Actor, Permission
from rodcorp.kit.admin import BaseAdmin, BaseForm
from rodcorp.kit.validation import clip

_SENTIMENT_COLOURS = {"positive": "success", "negative": "danger", "neutral": "info"}
_PRIORITY_COLOURS = {"high": "warning", "urgent": "danger", "low": "info"}


class MessageForm(BaseForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "project" in self.fields:
            self.fields["project"].initial = settings.RODCORP_PROJECT
            self.fields["sentiment"].widget = UnfoldAdminTextInputWidget()
            self.fields["sentiment"].help_text = "Judged from the message, if left out."


@admin.register(Discussion)
class DiscussionAdmin(BaseAdmin):
    form = MessageForm
    importer = DiscussionImporter
    needs = Permission.POST_MESSAGES
    add_fields = ("project", "topic", "message", "priority", "sentiment")
    fieldsets = (
        (None, {"fields": ("topic", "message", "participant", "agent", "project", "posted_at")}),
        ("Tone", {"fields": ("priority", "sentiment", "sentiment_score")}),
        ("Thread", {"fields": ("thread", "reply_to")}),
        ("Acknowledged", {"fields": ("acknowledged_at", "acknowledged_by")}),
        ("Record", {"fields": ("id", "actor_name", "actor_kind", "actor_address", "is_sample")}),
    )

    list_display = (
        "topic",
        "participant",
        "project",
        "excerpt",
        "shown_priority",
        "shown_sentiment",
        "posted_at",
    )
    list_filter = (
        "priority",
        "sentiment",
        "project",
        ("acknowledged_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("topic", "participant", "message")
    ordering = ("-posted_at",)
    actions = ("acknowledge",)

    def create(self, actor: Actor, key: str | None, **values: Any) -> Discussion:
        return post_message(actor=actor, key=key, **values)

    def first_version(self, record: Any) -> Any:
        """A message is signed when it is posted; its history begins with the acknowledgement."""
        posted = copy.copy(record)
        posted.acknowledged_at = posted.acknowledged_by = None
        return posted

    @admin.action(description="Acknowledge the selected messages", permissions=["act"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Discussion]) -> None:
        self.for_each(request, queryset, acknowledge, "message")

    @admin.display(description="Message")
    def excerpt(self, message: Discussion) -> str:
        return clip(message.message, 60)

    @display(description="Priority", ordering="priority", label=_PRIORITY_COLOURS)
    def shown_priority(self, message: Discussion) -> str:
        return message.get_priority_display()

    @display(description="Sentiment", ordering="sentiment", label=_SENTIMENT_COLOURS)
    def shown_sentiment(self, message: Discussion) -> str:
        return message.sentiment or ""
