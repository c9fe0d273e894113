"""A subscriber's bytes: what is no message is counted and survived, what is to be said is repeated until answered."""

from __future__ import annotations

import msgspec
import pytest

from contract.codec import Part, encode
from contract.happened import Happened, MessageDropped, PeerReconnected, PeerUp, SubscriberLag
from contract.messages import AnyMessage
from contract.stream_intake import SAY_LIMIT, Intake
from contract.stream_outbox import Outbox
from contract.stream_outlet import Outlet
from contract.stream_types import Received
from contract.stream_wire import Answered, Envelope, Refused, Say, pack, unpack_request
from tests.contract.examples import EXAMPLES, block, same


class Case:
    """An intake and the outlet it listens to, with nothing between them."""

    def __init__(self) -> None:
        self.told: list[Happened] = []
        self.intake = Intake("in", "token", self.told.append)
        self.start("e1")

    def start(self, epoch: str) -> None:
        self.outlet = Outlet(Outbox(epoch), "out", lambda _: None)

    def ask(self, now_s: float = 0.0) -> list[Received]:
        received: list[Received] = []
        for question in self.intake.questions(now_s):
            answer = self.outlet.answer(b"peer", question, now_s)
            if answer is not None:
                received += self.intake.reply(answer, now_s)
        return received

    def publish(self, message: AnyMessage, now_s: float = 0.0) -> list[Part]:
        return self.outlet.live(self.outlet.add(message, None, now_s))


def _following() -> Case:
    case = Case()
    case.ask()
    return case


def test_a_live_message_is_handed_on() -> None:
    """A message that came live has its place in the stream, and age 0."""
    case = _following()
    (received,) = case.intake.live(case.publish(EXAMPLES["volume"]), 5.0)
    assert same(received.message, EXAMPLES["volume"])
    assert (received.epoch, received.seq, received.age_s) == ("e1", 1, 0.0)


def test_a_message_from_the_snapshot_has_its_age() -> None:
    """A late joiner learns how old the present state is."""
    case = Case()
    case.publish(EXAMPLES["hold_started"], now_s=1.0)
    (received,) = case.ask(now_s=4.0)
    assert received.age_s == 3.0


GARBAGE: dict[str, list[Part]] = {
    "nothing": [],
    "one part": [b"volume"],
    "not of this contract": [b"volume", b"\x00\x01\x02"],
    "from a web browser": [b"GET / HTTP/1.1", b"Host: here"],
    "no message": [b"notice", pack(Envelope(epoch="e1", seq=1))],
    "foreign message": [b"notice", pack(Envelope(epoch="e1", seq=1)), b"garbage"],
    "part missing": [b"angles", pack(Envelope(epoch="e1", seq=1)), *encode(EXAMPLES["angles"])[:-1]],
}


@pytest.mark.parametrize("case_name", GARBAGE)
def test_what_is_no_message_is_counted_and_survived(case_name: str) -> None:
    """The next good message is handed on, with nothing lost between."""
    case = _following()
    assert case.intake.live(GARBAGE[case_name], 0.0) == []
    assert case.intake.refused == 1
    (dropped,) = [one for one in case.told if isinstance(one, MessageDropped)]
    assert (dropped.stage, dropped.reason) == ("in", "malformed")
    case.publish(EXAMPLES["confirmed"])
    assert [one.message for one in case.intake.live(case.publish(EXAMPLES["notice"]), 0.0) + case.ask()][-1:] == [
        EXAMPLES["notice"]
    ]


@pytest.mark.parametrize("parts", [[], [b"?"], [pack(Say(token="t"))], [pack(Refused(text="no")), b"more"]])
def test_a_foreign_reply_is_survived(parts: list[Part]) -> None:
    """Nonsense on the control socket changes nothing."""
    case = _following()
    assert case.intake.reply(parts, 0.0) == []
    assert case.intake.live(case.publish(EXAMPLES["notice"]), 0.0) != []


def test_a_message_that_cannot_be_read_is_passed_over() -> None:
    """A kind that a later minor version added is counted, once, and not asked for again and again."""
    case = _following()
    parts = case.publish(EXAMPLES["notice"])
    header = msgspec.msgpack.decode(parts[2])
    parts[2] = msgspec.msgpack.encode({**header, "kind": "horoscope"})
    assert case.intake.live(parts, 0.0) == []
    assert case.intake.refused == 1
    assert [one.seq for one in case.intake.live(case.publish(EXAMPLES["confirmed"]), 0.0)] == [2]
    assert case.intake.questions(100.0) == []


def test_another_major_version_is_told_as_the_problem() -> None:
    """The link says why nothing comes, until something does."""
    case = _following()
    later = msgspec.msgpack.encode({"type": "live", "v": [2, 0], "epoch": "e1", "seq": 1})
    case.intake.live([b"notice", later], 0.0)
    assert case.intake.link(0.0).problem == "peer speaks contract version 2, this program speaks version 1"
    case.intake.live(case.outlet.heartbeat(0), 0.0)
    assert case.intake.link(0.0).problem == ""


def test_the_link_tells_whether_the_publisher_is_heard() -> None:
    """Without a heartbeat for three seconds the publisher is not connected."""
    case = Case()
    assert case.intake.link(0.0)[:2] == (False, None)
    case.ask(1.0)
    assert case.intake.link(2.0)[:3] == (True, 1.0, "e1")
    assert case.intake.link(4.5)[:2] == (False, 3.5)


def test_coming_going_and_lag_are_told_once_each() -> None:
    """Every change of the link is one record."""
    case = Case()
    case.ask(0.0)
    case.ask(1.0)
    case.intake.live(case.outlet.heartbeat(5), 1.0)
    for now_s in (2.0, 2.5, 10.0):
        case.ask(now_s)
    told = [one for one in case.told if isinstance(one, PeerUp | SubscriberLag)]
    assert told == [
        PeerUp(peer="in", up=True),
        SubscriberLag(stream="in", messages=5),
        SubscriberLag(stream="in", messages=0),
        PeerUp(peer="in", up=False),
    ]


def test_a_restart_of_the_publisher_is_told() -> None:
    """A new epoch counts as a reconnection."""
    case = _following()
    case.start("e2")
    case.intake.live(case.outlet.heartbeat(0), 0.0)
    case.ask()
    assert [one for one in case.told if isinstance(one, PeerReconnected)] == [PeerReconnected(peer="in")]
    assert case.intake.link(0.0).epoch == "e2"


def test_messages_that_had_to_be_replayed_are_counted() -> None:
    """What did not come live is counted where it was missed."""
    case = _following()
    case.publish(block(0))
    case.publish(block(1))
    case.intake.live(case.publish(block(2)), 0.0)
    assert [one.seq for one in case.ask()] == [1, 2, 3]
    assert MessageDropped(stage="in", reason="missed", count=2) in case.told


def _said(case: Case, now_s: float) -> list[str]:
    """Tokens of what is said now."""
    requests = [unpack_request(parts[0]) for parts in case.intake.questions(now_s)]
    return [request.token for request in requests if isinstance(request, Say)]


def test_what_is_said_is_repeated_until_it_is_answered() -> None:
    """An unanswered word is said again every two seconds, an answered one never."""
    case = _following()
    case.intake.say(EXAMPLES["confirmed"])
    assert [_said(case, now_s) for now_s in (0.0, 1.0, 2.5)] == [["token-1"], [], ["token-1"]]
    case.intake.reply([pack(Answered(token="token-1", ok=True, text=""))], 3.0)
    assert _said(case, 60.0) == []


def test_a_word_that_could_not_be_sent_is_due_at_once() -> None:
    """Without a connection nothing is given up."""
    case = _following()
    case.intake.say(EXAMPLES["confirmed"])
    _said(case, 0.0)
    case.intake.unsent(0.0)
    assert _said(case, 0.1) == ["token-1"]


def test_a_refusal_ends_the_repetition_and_is_told() -> None:
    """When the service says no, saying it again does not help."""
    case = _following()
    case.intake.say(EXAMPLES["confirmed"])
    case.intake.reply([pack(Answered(token="token-1", ok=False, text="no such scan"))], 0.0)
    assert _said(case, 60.0) == []
    assert MessageDropped(stage="in", reason="refused_by_peer", detail="no such scan") in case.told


def test_what_is_to_be_said_waits_in_a_bounded_queue() -> None:
    """The oldest goes when too much waits, counted."""
    case = _following()
    for _ in range(SAY_LIMIT + 1):
        case.intake.say(EXAMPLES["confirmed"])
    assert MessageDropped(stage="in", reason="say_full") in case.told
    said = _said(case, 0.0)
    assert (len(said), said[0]) == (SAY_LIMIT, "token-2")
