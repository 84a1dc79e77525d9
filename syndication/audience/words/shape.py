"""Everything that the pages of subscribers and the letters to them say; one record a language. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Words in braces are put in when they are said. `language` is the language they are in."""

    language: str
    # what there is to choose
    everything: str
    everything_too: str
    at_once: str
    daily: str
    weekly: str
    at_once_when: str
    daily_when: str  # {time}
    weekly_when: str  # {weekday}, {time}
    email: str
    which: str
    how_often: str
    zone: str
    zone_hint: str
    mail_language: str
    trap: str
    # subscribe, and what follows
    subscribe_title: str  # {publication}
    subscribe_intro: str
    subscribe_button: str
    kept: str
    asked_title: str
    asked: str  # {address}
    asked_lost: str
    confirm_title: str
    confirm_for: str  # {address}
    confirm_where: str  # {zone}
    confirm_question: str
    confirm_no: str
    confirm_yes: str
    confirm_button: str
    answer_button: str
    choose_one: str
    declined_before: str
    confirmed_title: str
    confirmed: str
    confirmed_already: str
    declined_title: str
    declined: str
    # preferences
    preferences_title: str
    preferences_for: str  # {address}
    not_sent: str
    as_everything: str  # {cadence}
    save: str
    saved: str
    leave_title: str
    leave_all: str
    leave_erase: str
    leave_button: str
    record_title: str
    record: str
    record_button: str
    # unsubscribe
    unsubscribe_title: str
    unsubscribe_question: str
    unsubscribe_one: str  # {series}
    unsubscribe_all: str
    unsubscribe_button: str
    unsubscribed_title: str
    unsubscribed_one: str  # {series}
    unsubscribed_all: str
    nothing_followed: str
    change_instead: str
    subscribe_again: str
    erased_title: str
    erased: str
    # what is wrong
    link_title: str
    link_forged: str
    link_expired: str
    link_left: str
    link_barred: str
    too_many_title: str
    too_many: str
    wrong_email: str
    wrong_series: str
    wrong_cadence: str
    wrong_timezone: str
    wrong_language: str
    # the letter that asks for confirmation
    letter_subject: str  # {publication}
    letter_intro: str  # {publication}
    letter_how: str
    letter_open: str
    letter_until: str  # {hours}
    letter_otherwise: str

    def cadence(self, name: str) -> str:
        return {"at-once": self.at_once, "daily": self.daily, "weekly": self.weekly}[name]

    def wrong(self, field: str) -> str:
        """What is wrong with a field of the form."""
        return {
            "email": self.wrong_email, "series": self.wrong_series, "cadence": self.wrong_cadence,
            "timezone": self.wrong_timezone, "language": self.wrong_language,
        }[field]  # fmt: skip
