"""Every table, imported once, so that `Base.metadata` is whole for migrations and tests."""

from syndication.ledger.audience import Consent, FormerHandle, SeriesStart, Subscriber, Subscription, Suppression
from syndication.ledger.base import Base
from syndication.ledger.content import (
    Artifact,
    Draft,
    Entry,
    Feed,
    FeedMark,
    FeedPage,
    Mark,
    Media,
    MediaUse,
    Notice,
    Publication,
    Revision,
    Series,
)
from syndication.ledger.destinations import Destination
from syndication.ledger.former import FormerEntry, FormerSeries
from syndication.ledger.machines import HubSubscription, HubTopic, Push
from syndication.ledger.mailings import Carried, Delivery, Edition, EditionEntry, Issue, Lease, Letter
from syndication.ledger.operations import Attempt, Chair, Fact, Reader, Seen
from syndication.ledger.partners import Partner, Pull
from syndication.ledger.past import Bundle, IssueEntry
from syndication.ledger.relay_use import RelayUse

__all__ = [
    "Artifact", "Attempt", "Base", "Bundle", "Carried", "Chair", "Consent", "Delivery", "Destination", "Draft",
    "Edition", "EditionEntry", "Entry", "Fact", "Feed", "FeedMark", "FeedPage", "FormerEntry", "FormerHandle", "FormerSeries",
    "HubSubscription", "HubTopic",
    "Issue", "IssueEntry", "Lease", "Letter", "Mark", "Media", "MediaUse", "Notice", "Partner", "Publication", "Pull",
    "Push", "Reader", "RelayUse", "Revision", "Seen", "Series", "SeriesStart", "Subscriber", "Subscription", "Suppression",
]  # fmt: skip
