"""The API is what its description says: fuzzed by schemathesis, examples valid, a page for people that needs nobody else."""

from __future__ import annotations

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from syndication.ledger.db import Database
from syndication.partners.records import ChangesPage, EntryRecord
from syndication.publishing import publish, withdraw
from syndication.web.app import create_app
from syndication.wiring import Wiring
from tests.partners.partner_world import BASE, Auth, add
from tests.publishing.conftest import NewEntry

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance, negative_data_rejection,
]  # fmt: skip


@pytest.fixture
def auth(db: Database, client: TestClient, new_entry: NewEntry) -> Auth:
    """Of a partner with a published, a withdrawn and somebody else's entry about."""
    entries = [new_entry("one", authors=[{"name": "N"}], topics=["t"]), new_entry("two"), new_entry("three", series=2)]
    publish(db, BASE, entries)
    withdraw(db, BASE, entries[1], "wrong figures")
    return add(db, "Gazette", "ferries")


@pytest.mark.timeout(150)
def test_what_a_machine_reads_is_what_a_machine_gets(wiring: Wiring, auth: Auth) -> None:
    schema = schemathesis.openapi.from_asgi("/partners/openapi.json", create_app(wiring))
    got: dict[str, set[int]] = {}

    def fuzz(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(headers=auth, checks=CHECKS)
        got.setdefault(case.operation.label, set()).add(answer.status_code)

    for operation in schema.get_all_operations():
        for mode in GenerationMode:
            cases = given(case=operation.ok().as_strategy(mode))
            limits = settings(
                max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
            )
            limits(cases(fuzz))()
    assert got.keys() == {"GET /v1/feed.{fmt}", "GET /v1/entries", "GET /v1/entries/{ref}"}
    assert got["GET /v1/feed.{fmt}"] >= {200, 404}
    assert got["GET /v1/entries"] >= {200, 422}


def test_real_answers_fit_the_description(client: TestClient, auth: Auth) -> None:
    description = client.get("/partners/openapi.json").json()
    schemas = description["components"]["schemas"]

    def fits(name: str, value: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)

    page = client.get("/partners/v1/entries", headers=auth).json()
    assert [e["state"] for e in page["entries"]] == ["published", "withdrawn"]
    fits("ChangesPage", page)
    for entry in page["entries"]:
        fits("EntryRecord", client.get(f"/partners/v1/entries/{entry['number']}", headers=auth).json())
    fits("Refusal", client.get("/partners/v1/entries").json())
    assert description["servers"] == [{"url": f"{BASE}/partners"}]
    assert description["security"] == [{"bearer": []}, {"basic": []}]
    for path, methods in description["paths"].items():
        for act in methods.values():
            assert {"200", "304", "401", "404", "429", "503"} <= set(act["responses"]), path
            assert act["summary"]
            assert len(act["description"]) > 20
            assert all(p["description"] for p in act["parameters"])


def test_every_example_is_one(client: TestClient) -> None:
    (example,) = EntryRecord.model_json_schema()["examples"]
    assert set(example) == set(EntryRecord.model_fields)
    EntryRecord.model_validate(example)
    ChangesPage.model_validate({"entries": [example], "next_cursor": "7", "more": False})


def test_the_page_for_people_needs_nobody_else(client: TestClient, auth: Auth) -> None:
    page = client.get("/partners/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for word in (
        *EntryRecord.model_fields,
        "/partners/v1/feed.{fmt}",
        "/partners/v1/entries/{ref}",
        "cursor",
        "401",
        "429",
    ):
        assert word in page.text
    for outside in ("<script", "src=", 'href="https://', "@import"):
        assert outside not in page.text.replace('href="https://tideway.example"', "")
    for path in ("/partners", "/partners/"):
        assert client.get(path, follow_redirects=True).text == page.text
    assert "/c/" not in json.dumps(client.get("/partners/openapi.json").json()), "nobody is invited to guess"
