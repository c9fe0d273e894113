"""Holds and scans on the wire, in time: tell the streamer of a hold, send its scan, wait until the hold is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from contract.messages import HoldEnded, HoldStarted
from contract.stream import Addresses, Answer, ask
from streamer.simulator.faults import Faults, Outgoing, damaged
from streamer.simulator.sender import Sender, SenderError, send_series
from streamer.simulator.series import HoldPlan, ScanToSend, messages

ANSWER_S = 10.0
Emit = Callable[..., None]
"""emit(event, **fields): something happened"""
Whole = Callable[[Iterable[Outgoing]], Iterable[Outgoing]]


class ControlDesk:
    """Who tells the streamer of holds; without an address it tells nobody, and the start message must do."""

    def __init__(self, control: str | None, emit: Emit) -> None:
        self._control = control
        self._emit = emit

    def hold_started(self, plan: HoldPlan) -> None:
        """SenderError if the streamer does not take it."""
        message = HoldStarted(
            hold=plan.hold,
            crystal=plan.crystal,
            voltage_v=plan.voltage_v,
            planned_s=plan.planned_s,
            started_at=datetime.now(UTC).isoformat(),
        )
        answer = self._ask(message, ANSWER_S)
        if not answer.ok:
            raise SenderError(f"the streamer did not take the start of hold {plan.hold}: {answer.text}")
        self._emit("hold_started", hold=plan.hold, voltage_v=plan.voltage_v, planned_s=plan.planned_s)

    def hold_ended(self, plan: HoldPlan, timeout_s: float = ANSWER_S) -> None:
        """Whatever the streamer answers, the hold is over."""
        answer = self._ask(HoldEnded(hold=plan.hold, crystal=plan.crystal), timeout_s)
        self._emit("hold_ended", hold=plan.hold, taken=answer.ok, answer=answer.text)

    def _ask(self, message: HoldStarted | HoldEnded, timeout_s: float) -> Answer:
        if self._control is None:
            return Answer(True, "")
        return ask(Addresses(live="", control=self._control), message, timeout_s)


def perform(
    sender: Sender,
    desk: ControlDesk,
    scans: Sequence[ScanToSend],
    faults: Faults,
    emit: Emit,
    seed: int = 0,
    whole: Whole = iter,
) -> None:
    """Send `scans` one after the other, each within its hold. The hold begins with its scan.

    `whole` goes through a scan's messages, each of which is made when it is asked for.
    """
    for scan in scans:
        began_s = time.monotonic()
        hold = scan.hold
        if hold is None:
            _send(sender, scan, faults, emit, seed, whole)
            continue
        desk.hold_started(hold)
        try:
            _send(sender, scan, faults, emit, seed, whole)
            time.sleep(max(0.0, began_s + hold.planned_s - time.monotonic()))
        except BaseException:
            desk.hold_ended(hold, timeout_s=1.0)
            raise
        desk.hold_ended(hold)


def _send(sender: Sender, scan: ScanToSend, faults: Faults, emit: Emit, seed: int, whole: Whole) -> None:
    images = 0

    def sent(message: Outgoing) -> None:
        nonlocal images
        if message.kind != "image":
            return
        images += 1
        if images == 1:
            emit("first_frame", scan=scan.name)

    emit("scan", scan=scan.name, hold=scan.hold.hold if scan.hold else None, frames=len(scan.angles_deg))
    send_series(sender, whole(damaged(messages(scan), faults, seed)), scan.frame_time_s, sent)
    emit("last_frame", scan=scan.name, images_sent=images)
