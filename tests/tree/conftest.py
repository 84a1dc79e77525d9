"""The publication of the web's tests, exported."""

from tests.web.conftest import new_entry, publication, wiring

__all__ = ["new_entry", "publication", "wiring"]
