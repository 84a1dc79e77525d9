"""Ring a worker's bell: a Celery message that carries a name and ids, nothing else. Losing one costs latency only.

`QUEUES` is the one table name → queue; `tasks.app` routes by it too (a bare client would ring into the default queue).
A dead broker is logged and shrugged off: every hint has a sweep that finds the same work.
"""

from __future__ import annotations

import structlog
from celery import Celery
from kombu.exceptions import KombuError

from syndication import clock

log = structlog.get_logger(__name__)

QUEUES = {
    "publish.publish_due": "publish",
    "publish.render_owed": "publish",
    "publish.forget_unused": "maintenance",
    "digests.cut_due": "publish",
    "digests.freeze_at_once": "publish",
    "digests.freeze": "digests",
    "digests.look_through": "maintenance",
    "audience.forget_unconfirmed": "maintenance",
    "mail.send_at_once": "at-once",
    "mail.send_due": "mail",
    "mail.send_transactional": "transactional",
    "push.send": "push",
    "partners.forget_polls": "maintenance",
}


EXPIRES_SECONDS = 60  # a hint nobody took by then: beat has rung anew, and a busy worker finds no pile of old ones
QUIET_SECONDS = 2.0  # after a ring that failed: nobody waits for a dead broker again and again


class Bell:
    """Callable as the ledger's `ring`. `broker_url` empty: nobody listens, the sweeps do it all.

    A ring waits two seconds at most; after one that failed, those of the next two seconds are not tried.
    """

    def __init__(self, broker_url: str) -> None:
        self._client: Celery | None = None
        self._quiet_until = 0.0
        if broker_url:
            self._client = Celery("syndication.hints", broker=broker_url, set_as_current=False)
            self._client.conf.update(
                task_ignore_result=True,
                task_serializer="json",
                broker_connection_timeout=1.0,
                broker_transport_options={"socket_connect_timeout": 1.0, "socket_timeout": 2.0, "max_retries": 0},
            )

    def __call__(self, name: str, *args: object) -> bool:
        """Whether the broker took it."""
        if self._client is None or clock.monotonic() < self._quiet_until:
            return False
        try:
            self._client.send_task(
                name, args=args, queue=QUEUES[name], ignore_result=True, retry=False, expires=EXPIRES_SECONDS
            )
        except (KombuError, OSError) as error:
            self._quiet_until = clock.monotonic() + QUIET_SECONDS
            log.warning("hint not delivered; the sweep will find the work", hint=name, reason=str(error))
            return False
        return True
