"""The Celery application: what the workers and beat run. Queues and routes are `syndication.hints.QUEUES`, nothing else.

`task_time_limit < lease < visibility_timeout`: a task is killed before its lease runs out, and its message comes back only
after that. A message whose worker died is not put back by Celery: beat finds what is owed within seconds, and a hint that
always kills its worker would else come back at once, for ever.
"""

from __future__ import annotations

import sys
from functools import cache
from threading import Event, Thread

import structlog
from celery import Celery
from celery.signals import celeryd_init, setup_logging, worker_process_init, worker_ready, worker_shutdown
from kombu.entity import Queue
from sqlalchemy.exc import SQLAlchemyError

from syndication import sweeping
from syndication.hints import QUEUES
from syndication.ledger import presence
from syndication.wiring import MISCONFIGURED, Wiring, ledger_base_url, wiring_of_a_process

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 10.0


@cache
def wiring() -> Wiring:
    """This process's; its database opens a new engine after a fork."""
    return wiring_of_a_process()


_settings = wiring().settings
app = Celery("tasks", broker=wiring().broker_url or None, set_as_current=True)
app.conf.update(
    imports=("tasks.publish", "tasks.digests", "tasks.mail", "tasks.push", "tasks.partners", "tasks.audience"),
    task_queues=[Queue(name, routing_key=name) for name in sorted(set(QUEUES.values()))],  # type: ignore[no-untyped-call]
    task_routes={name: {"queue": queue} for name, queue in QUEUES.items()},
    task_default_queue=QUEUES["publish.publish_due"],
    task_create_missing_queues=False,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=False,
    worker_prefetch_multiplier=1,
    task_time_limit=_settings.task_time_limit_seconds,
    broker_transport_options={"visibility_timeout": _settings.visibility_timeout_seconds},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,  # what is claimed is sent, whoever rings; see the-bell.md
    worker_redirect_stdouts=False,
    worker_send_task_events=False,
    timezone="UTC",
)

_ended = Event()


@setup_logging.connect  # type: ignore[untyped-decorator]
def _logs_stay(**_: object) -> None:
    """Celery leaves the logs as `wiring` set them."""


def _beat_of_heart() -> None:
    while True:
        try:
            with wiring().db.transaction() as session:
                presence.note(session, "worker", app.amqp.queues.consume_from)
        except SQLAlchemyError as error:
            log.warning("the ledger does not answer", reason=str(error))
        sweeping.look_after_journals(wiring())
        if _ended.wait(HEARTBEAT_SECONDS):
            return


@celeryd_init.connect  # type: ignore[untyped-decorator]
def _at_the_right_address(**_: object) -> None:
    """A worker that thinks it is elsewhere would write wrong links into feeds and mail: it does not begin."""
    try:
        made_for = ledger_base_url(wiring())
    except SQLAlchemyError:
        return  # no ledger yet, or it is away: there is nothing to compare with
    if made_for and made_for != wiring().base_url:
        sys.stderr.write(
            f"syndication: SYNDICATION_BASE_URL: here it is {wiring().base_url}, and the feeds were made for {made_for}; "
            "set it to the same on every host. To move to a new address, set it there and run `syndicate init`.\n"
        )
        raise SystemExit(MISCONFIGURED)


def _make_good() -> None:
    while not _ended.wait(HEARTBEAT_SECONDS):
        sweeping.make_good(wiring())


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _forked(**_: object) -> None:
    """A process of the pool holds its journal's lock: nobody else can tell the ledger what it missed while it was away."""
    Thread(target=_make_good, name="make-good", daemon=True).start()


@worker_ready.connect  # type: ignore[untyped-decorator]
def _ready(**_: object) -> None:
    Thread(target=_beat_of_heart, name="heartbeat", daemon=True).start()


@worker_shutdown.connect  # type: ignore[untyped-decorator]
def _shutdown(**_: object) -> None:
    _ended.set()
    with wiring().db.transaction() as session:
        presence.leave(session, "worker")
