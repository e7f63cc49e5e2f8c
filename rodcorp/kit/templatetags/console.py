"""Small things every page shows alike."""

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

register = template.Library()

# What a word means at a glance. The word itself is always there too: colour is never alone.
TONES = {
    "good": (
        *("active", "up", "completed", "approved", "positive", "earned", "bonus", "salary"),
        *("resolved", "primary", "yes", "at_work", "posted"),
    ),
    "busy": ("in_progress", "waiting", "normal", "adjustment", "transfer", "healing", "computed"),
    "warn": (
        *("late", "blocked", "high", "changes_requested", "inactive", "deduction", "reversed"),
        *("open", "conflict", "fallback"),
    ),
    "bad": (
        *("down", "urgent", "overdue", "rejected", "negative", "retired", "reversal"),
        *("quarantine", "no", "silent", "missing"),
    ),
}
_TONE_OF = {word: tone for tone, words in TONES.items() for word in words}


@register.simple_tag(name="badge")
def badge(value: Any) -> SafeString:
    word = str(value).lower().replace(" ", "_")
    tone = _TONE_OF.get(word, "plain")
    return format_html('<span class="rc-badge rc-{}">{}</span>', tone, word.replace("_", " "))


@register.simple_tag(name="bar")
def bar(percentage: int, look: str = "") -> SafeString:
    """A picture of a share. The number itself always stands beside it."""
    return format_html(
        '<span class="rc-bar {}" aria-hidden="true"><span style="width: {}%"></span></span>',
        look,
        percentage,
    )


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """2026-11-23 14:05, with the full time for programs and on hover."""
    if value is None:
        return "–"
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        value.isoformat(),
        value.strftime("%Y-%m-%d %H:%M:%S"),
        value.strftime("%Y-%m-%d %H:%M"),
    )


@register.filter
def day(value: datetime | None) -> SafeString | str:
    """2026-11-23, with the time on hover."""
    if value is None:
        return "–"
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        value.isoformat(),
        value.strftime("%Y-%m-%d %H:%M:%S"),
        value.strftime("%Y-%m-%d"),
    )


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """How long ago, in the largest unit."""
    if value is None:
        return "never"
    now = timezone.now()
    is_past = (now - value).total_seconds() >= 60
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        value.isoformat(),
        value.strftime("%Y-%m-%d %H:%M:%S"),
        f"{timesince(value, now, depth=1)} ago" if is_past else "just now",
    )


@register.filter
def coins(value: int | None) -> str:
    return f"{value or 0:,}"


@register.filter
def signed_coins(value: int | None) -> str:
    """With a sign, as it moved a wallet: +1,200, or a minus sign and 50."""
    number = value or 0
    return f"{'−' if number < 0 else '+'}{abs(number):,}"
