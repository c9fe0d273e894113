"""The two streams that the viewer listens to."""

from __future__ import annotations

from collections.abc import Callable

from contract.happened import Happened, ignore
from contract.security import Keys
from contract.stream import Addresses, Subscriber, open_subscriber
from viewer.inbox import Source
from viewer.settings import ViewerSettings


def sources(settings: ViewerSettings, happened: Callable[[Happened], None] = ignore) -> tuple[Source, ...]:
    """Say what to connect to; nothing is opened yet. SettingsError: keys half configured or unreadable."""
    keys = settings.keys()
    return (
        _source("streamer", settings.streamer, keys, happened),
        _source("reconstructor", settings.reconstructor, keys, happened),
    )


def _source(name: str, addresses: Addresses, keys: Keys | None, happened: Callable[[Happened], None]) -> Source:
    def connect() -> Subscriber:
        return open_subscriber(addresses, name=name, keys=keys, happened=happened)

    return Source(name, addresses.live, connect)
