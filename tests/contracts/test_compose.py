"""docker-compose.yml without Docker: its shape, its commands, its queues, and no secret in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from syndication.cli.main import COMMANDS
from syndication.hints import QUEUES
from syndication.settings import Settings

FILE = Path(__file__).parents[2] / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
OURS = {name: s for name, s in COMPOSE["services"].items() if s.get("build")}


def test_the_shape_is_what_the_specification_allows() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} <= {"name", "services", "volumes", "networks"}
    allowed = {
        "build", "image", "restart", "environment", "depends_on", "command", "ports", "healthcheck", "volumes", "profiles",
        "hostname", "env_file",
    }  # fmt: skip
    for name, service in COMPOSE["services"].items():
        assert set(service) <= allowed, name
        assert "image" in service
        for needed in service.get("depends_on", {}):
            assert needed in COMPOSE["services"]
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"]


def test_every_queue_has_a_worker() -> None:
    queues: list[str] = []
    for service in OURS.values():
        command = service["command"]
        if "-Q" in command:
            queues += command[command.index("-Q") + 1].split(",")
    assert sorted(queues) == sorted(set(QUEUES.values()))


def test_no_secret_has_a_default_and_every_setting_exists() -> None:
    text = FILE.read_text("utf-8")
    variables = re.findall(r"\$\{([A-Z_]+)([:?-]*)", text)
    assert {name for name, _ in variables} == {
        "POSTGRES_PASSWORD", "SYNDICATION_BASE_URL", "SYNDICATION_MAIL_URL", "SYNDICATION_SECRET_KEYS",
    }  # fmt: skip
    assert {mark for _, mark in variables} == {":?"}
    names = {f"SYNDICATION_{name.upper()}" for name in Settings.model_fields}
    assert set(OURS["web"]["environment"]) <= names


def test_a_key_that_the_command_line_makes_is_where_those_who_send_look_for_it() -> None:
    queues = {queue for hint, queue in QUEUES.items() if hint.startswith("mail.")}
    senders = [name for name, service in OURS.items() if queues & set(service["command"])]
    assert len(senders) == len(queues)
    assert "dkim:/data/dkim" in OURS["migrate"]["volumes"]
    for name in senders:
        assert "dkim:/data/dkim:ro" in OURS[name]["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_each_command_is_one_that_runs_here(name: str, tmp_path: Path) -> None:
    command = OURS[name]["command"]
    program = Path(sys.executable).parent / command[0]
    if command[0] == "syndicate":
        assert command[1] in COMMANDS
        return
    options = command[1:-1] if command[0] == "granian" else command[1:]
    # Celery and granian say what they do not know; --help is asked with the very options of the file.
    done = subprocess.run(
        [str(program), *options, "--help"],
        capture_output=True, text=True, timeout=60, cwd=FILE.parent,
        env={"PATH": "/usr/bin:/bin", "SYNDICATION_DATA_DIR": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_each_process_is_asked_whether_it_is_well() -> None:
    for name, service in OURS.items():
        test = service.get("healthcheck", {}).get("test", [])
        if name == "migrate":
            assert not test
        elif name == "web":
            assert "/healthz" in test[-1]
        else:
            assert test == ["CMD", "syndicate", "doctor", "--here", "beat" if name == "beat" else "worker"]
