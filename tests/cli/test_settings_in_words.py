"""What is wrong with the settings or the surroundings is said in words, with no value repeated, by commands and processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from syndication.errors import BadInput
from syndication.settings import read_settings

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
SECRET = "s3cret"


def run(command: list[str], data_dir: Path, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SYNDICATION_")}
    return subprocess.run(
        [PYTHON, "-m", *command], env={**environment, "SYNDICATION_DATA_DIR": str(data_dir), **env}, cwd=ROOT,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment with no setting but the data directory."""
    for name in list(os.environ):
        if name.startswith("SYNDICATION_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SYNDICATION_DATA_DIR", str(tmp_path))
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DATABASE_URL", f"postgres://me:{SECRET}@db/x", "postgresql://USER:PASSWORD@HOST/NAME"),
        ("DATABASE_URL", f"postgresql://me:{SECRET}@db:port/x", "postgresql://USER:PASSWORD@HOST/NAME"),
        ("BROKER_URL", f"amqp://a:{SECRET}@b", "redis://"),
        ("MAIL_URL", f"ftp://a:{SECRET}@b", "smtp://"),
        ("BASE_URL", "news.example", "https://"),
        ("LOG_LEVEL", "loud", "'debug', 'info'"),
        ("BASE_URL", "https://news.example?q=1", "nothing but a path"),
        ("BASE_URL", "https://news.example/#f", "nothing but a path"),
        ("BASE_URL", "https://news.example/über", "nothing but a path"),
        ("BOUNCE_DOMAIN", "a b", "mail.example.org"),
        ("DKIM_DOMAIN", "nowhere", "mail.example.org"),
        ("HUBS", "https://hub.example/,foo", "whole addresses"),
        ("HUBS", "javascript:alert(1)", "whole addresses"),
        ("TEMPLATES_DIR", "/nonexist", "no such directory"),
        ("TRUSTED_PROXIES", "the-proxy", "10.0.0.0/8"),
        ("MAIL_URL", "smtp://", "smtp://USER"),
        ("MAIL_URL", "smtp://relay..example:25", "smtp://USER"),
        ("MAIL_URL", "maildir:", "maildir:PATH"),
        ("RETRY_LADDER_MINUTES", "soon,later", "minutes"),
        ("RETRY_LADDER_MINUTES", "5,inf", "thirty days"),
        ("RETRY_LADDER_MINUTES", "nan", "thirty days"),
        ("LEASE_SECONDS", "10", "less than lease_seconds"),
        ("SECRET_KEY", SECRET, "did you mean SYNDICATION_SECRET_KEYS"),
        ("CONFIG", "/nowhere.toml", "no such file"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(alone: pytest.MonkeyPatch, name: str, value: str, told: str) -> None:
    alone.setenv(f"SYNDICATION_{name}", value)
    with pytest.raises(BadInput) as refused:
        read_settings()
    assert told in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (b"port = \n", "this is no TOML"),
        (b"\xff\n", "not UTF-8"),
        (b'port = "x"\nprot = 1\n', "port: Input should be a valid integer"),
        (b"prot = 1\n", "did you mean port?"),
    ],
)
def test_the_file_is_named(alone: pytest.MonkeyPatch, tmp_path: Path, file: bytes, told: str) -> None:
    (tmp_path / "syndication.toml").write_bytes(file)
    with pytest.raises(BadInput) as refused:
        read_settings()
    assert str(tmp_path / "syndication.toml") in str(refused.value)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PORT", "many", "SYNDICATION_PORT: Input should be a valid integer"),
        ("DATABASE_URL", f"postgresql://me:{SECRET}@127.0.0.1:1/x", "does not answer"),
        ("DATABASE_URL", f"sqlite:///{ROOT}/LICENSE", "not a database"),
        ("DATA_DIR", "/proc/nowhere", "cannot be made"),
    ],
)
def test_a_command_says_it_without_a_trace(tmp_path: Path, name: str, value: str, told: str) -> None:
    ended = run(["syndication", "entries", "--json"], tmp_path, **{f"SYNDICATION_{name}": value})
    assert ended.returncode == 1
    assert told in ended.stderr
    assert SECRET not in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    "process",
    [
        ["celery", "-A", "tasks.app", "worker"],
        ["celery", "-A", "tasks.app", "beat", "-S", "tasks.schedule:Scheduler", "--pidfile="],
        ["granian", "--interface", "asgi", "--factory", "--port", "1", "syndication.web.app:application"],
    ],
)
def test_a_process_says_it_too_and_ends(tmp_path: Path, process: list[str]) -> None:
    if process[0] == "granian":
        from tests.embedded.service import free_port

        process[process.index("1")] = str(free_port())
    ended = run(process, tmp_path, SYNDICATION_PORT="many")
    assert ended.returncode != 0
    assert "SYNDICATION_PORT: Input should be a valid integer" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unknown_variable_is_a_warning(tmp_path: Path) -> None:
    ended = run(["syndication", "entries", "--json"], tmp_path, SYNDICATION_SERVICE_HOST="10.0.0.1")
    assert ended.returncode == 0
    assert "SYNDICATION_SERVICE_HOST" in ended.stderr
    assert "10.0.0.1" not in ended.stderr


def test_log_lines_may_be_json_and_carry_no_password(tmp_path: Path) -> None:
    import json

    code = (
        "import os, logging, structlog; from syndication.logs import log_to_stderr; from syndication.settings import Settings;"
        "log_to_stderr(Settings());"
        f"structlog.get_logger('syndication.x').info('went', url='redis://:{SECRET}@h/0');"
        f"logging.getLogger('kombu').warning('lost %s', 'smtp://me:{SECRET}@h:25')"
    )
    environment = {**os.environ, "SYNDICATION_LOG_FORMAT": "json", "SYNDICATION_DATA_DIR": str(tmp_path)}
    ended = subprocess.run([PYTHON, "-c", code], env=environment, capture_output=True, text=True, cwd=ROOT, timeout=60)
    ours, theirs = (json.loads(line) for line in ended.stderr.splitlines())
    assert ours["url"] == "redis://:…@h/0"
    assert theirs["event"] == "lost smtp://me:…@h:25"
    assert ended.stdout == ""


def test_hosts_in_other_scripts_are_kept_as_the_dns_has_them(alone: pytest.MonkeyPatch) -> None:
    alone.setenv("SYNDICATION_BASE_URL", "https://münchen.example:8443/news/")
    alone.setenv("SYNDICATION_BOUNCE_DOMAIN", "Rück.münchen.example")
    settings = read_settings()
    assert settings.base_url == "https://xn--mnchen-3ya.example:8443/news"
    assert settings.bounce_domain == "xn--rck-hoa.xn--mnchen-3ya.example"
