"""Publication syndication: series entries to feeds, inboxes and partners, the disclaimer once in each."""

__version__ = "0.1.0"
