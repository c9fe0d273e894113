"""Counts who could not come in: other keys than ours, none where one is wanted, or no ZeroMQ at all.

A known key that is not on the allow-list is counted by `contract.security.AllowList`; it gets that far.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import zmq
from zmq.utils.monitor import recv_monitor_message

from contract.happened import AuthFailed, Happened

FAILED = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
AT_ONCE = 100


class Handshakes(NamedTuple):
    """The failed handshakes of one bound socket."""

    socket: zmq.Socket[bytes]
    events: zmq.Socket[bytes]
    """Readable when there is something to count."""

    @classmethod
    def of(cls, socket: zmq.Socket[bytes]) -> Handshakes:
        """Begin to listen, before the socket is bound."""
        return cls(socket, socket.get_monitor_socket(FAILED))

    def tell(self, name: str, happened: Callable[[Happened], None]) -> None:
        """Tell of each that has failed since."""
        for _ in range(AT_ONCE):
            if not self.events.poll(0):
                return
            recv_monitor_message(self.events)
            happened(AuthFailed(peer=name))

    def close(self) -> None:
        """Listen no more; the socket stays."""
        self.socket.disable_monitor()
        self.events.close(0)
