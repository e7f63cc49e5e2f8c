"""The discussions: the list of threads, a thread as a conversation, posting and answering."""

from functools import cached_property
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse, reverse_lazy

from agents.models import Discussion
from agents.services.discussions import acknowledge, post_message, reply
from agents.web.filters import ThreadFilter
from agents.web.forms import PostForm, ReplyForm
from agents.web.tables import ThreadTable
from rodcorp.actors import Actor, Permission, actor_of
from rodcorp.errors import NotFound
from rodcorp.kit.web.views import FormPage, ListPage, Page

MESSAGES_A_PAGE = 100


class ThreadList(ListPage):
    title = "Discussions"
    queryset = Discussion.objects.threads()
    table_class = ThreadTable
    filterset_class = ThreadFilter
    create = (reverse_lazy("thread-new"), "Start a discussion", Permission.POST_MESSAGES)
    file_name = "discussions"


class NewThread(FormPage):
    title = "Start a discussion"
    needs = Permission.POST_MESSAGES
    form_class = PostForm
    template_name = "agents/post_form.html"
    submit = "Post"
    done = "Posted."
    extra_context = {"cancel_url": reverse_lazy("discussions")}

    def get_form_kwargs(self) -> dict[str, Any]:
        return {"for_agents": self.may(Permission.MANAGE_AGENTS)}

    def serve(self, actor: Actor, form: PostForm) -> Discussion:
        values = {name: value for name, value in form.cleaned_data.items() if value}
        return post_message(actor=actor, **{**values, "key": form.key_given})

    def done_url(self, result: Discussion) -> str:
        return address_of(result)


class Thread(FormPage):
    """A conversation, oldest first. The address of any message in it leads to where it is."""

    needs_to_send = Permission.POST_MESSAGES
    form_class = ReplyForm
    template_name = "agents/thread.html"
    submit = "Reply"
    done = "Posted."

    @cached_property
    def root(self) -> Discussion:
        return get_object_or_404(Discussion, pk=self.kwargs["pk"])

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.root.thread_id != self.root.pk:
            return redirect(address_of(self.root))
        return super().get(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {"initial": {"to": self.answered.pk if self.answered else None}}

    @cached_property
    def answered(self) -> Discussion | None:
        """The message of this thread that was chosen to be answered."""
        try:
            chosen = UUID(self.request.POST.get("to") or self.request.GET.get("to") or "")
        except ValueError:
            return None
        return Discussion.objects.in_thread(self.root.thread_id).filter(pk=chosen).first()

    def serve(self, actor: Actor, form: ReplyForm) -> Discussion:
        if form.cleaned_data["to"] and self.answered is None:
            raise NotFound("The message to answer is not in this thread.")
        to = self.answered or self.root
        return reply(actor=actor, to=to, message=form.cleaned_data["message"], key=form.key_given)

    def done_url(self, result: Discussion) -> str:
        return address_of(result)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        thread = Discussion.objects.in_thread(self.root.thread_id)
        counts = thread.aggregate(
            messages=Count("pk"), open=Count("pk", filter=Q(acknowledged_at__isnull=True))
        )
        paginator = Paginator(thread.select_related("reply_to"), MESSAGES_A_PAGE)
        paginator.count = counts["messages"]  # not counted twice
        return super().get_context_data(
            title=self.root.topic,
            root=self.root,
            counts=counts,
            page=paginator.get_page(self.request.GET.get("page")),
            answered=self.answered,
            cancel_url=reverse("thread", args=[self.root.pk]) if self.answered else None,
            may_post=self.may(Permission.POST_MESSAGES),
            **kwargs,
        )


class Acknowledge(Page):
    needs = Permission.POST_MESSAGES
    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        message = get_object_or_404(Discussion, pk=kwargs["pk"])
        acknowledge(actor=actor_of(request), message=message)
        return redirect(address_of(message))


def address_of(message: Discussion) -> str:
    """Where in its thread a message is."""
    thread = Discussion.objects.in_thread(message.thread_id)
    before = thread.filter(posted_at__lt=message.posted_at).count()
    page = {"page": before // MESSAGES_A_PAGE + 1} if before >= MESSAGES_A_PAGE else {}
    return reverse("thread", args=[message.thread_id], query=page, fragment=f"m-{message.pk}")
