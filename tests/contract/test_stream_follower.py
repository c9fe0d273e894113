"""A subscriber hands on every message once and in order, whatever the network does to them."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.stream_follower import AHEAD_MESSAGES, Follower, Item
from contract.stream_outbox import Outbox
from contract.stream_wire import Batch, Entry, Pull


class Network:
    """A publisher and one subscriber with everything between them in a bag, from which the test takes as it likes."""

    def __init__(self, *, slots: int | None = None, replay_bytes: int = 1 << 20, ahead_bytes: int = 1 << 20) -> None:
        self.follower = Follower(ahead_bytes=ahead_bytes)
        self.bag: list[tuple[str, Item] | tuple[str, int] | tuple[Batch, list[Item]]] = []
        self.got: list[tuple[str, int]] = []
        self.slots = slots
        self.replay_bytes = replay_bytes
        self.epochs = 0
        self.now_s = 0.0
        self.restart()

    def restart(self) -> None:
        """The publisher begins a new epoch."""
        self.epochs += 1
        self.outbox = Outbox(f"e{self.epochs}", replay_bytes=self.replay_bytes)

    def publish(self, copies: int = 1) -> None:
        """Publish one message of 10 bytes that goes out live `copies` times."""
        number = self.outbox.last_seq
        slot = str(number if self.slots is None else number % self.slots)
        stored = self.outbox.add((bytes(10),), "notice", slot, 0.0)
        self.bag += [(self.outbox.epoch, Item(stored.seq, 0.0, stored.parts))] * copies

    def heartbeat(self) -> None:
        """Send a heartbeat."""
        self.bag.append((self.outbox.epoch, self.outbox.last_seq))

    def ask(self, *, later_s: float = 0.0, max_bytes: int = 25) -> Pull | None:
        """Let the subscriber ask, if it wants, and put the answer into the bag."""
        self.now_s += later_s
        pull = self.follower.wants(self.now_s)
        if pull is not None:
            self.bag.append(answer(self.outbox, pull, max_bytes))
        return pull and msgspec.structs.replace(pull, question=0)

    def deliver(self, place: int = 0) -> None:
        """Hand over one thing from the bag."""
        first, second = self.bag.pop(place % len(self.bag))
        if isinstance(first, Batch):
            assert isinstance(second, list)
            self._take(self.follower.batch(first, second))
        elif isinstance(second, Item):
            self._take(self.follower.live(first, second))
        elif isinstance(second, int):
            self.follower.heartbeat(first, second)

    def settle(self) -> None:
        """Deliver everything in order, with a heartbeat, until the subscriber lacks nothing."""
        self.heartbeat()
        for _ in range(2000):
            while self.bag:
                self.deliver()
            if self.ask(later_s=60.0) is None and self.follower.epoch == self.outbox.epoch:
                return
            self.heartbeat()
        raise AssertionError("the subscriber never had everything")

    def _take(self, items: list[Item]) -> None:
        self.got += [(self.follower.epoch, item.seq) for item in items]

    def seqs(self, epoch: int = 1) -> list[int]:
        """What was handed on of an epoch."""
        return [seq for name, seq in self.got if name == f"e{epoch}"]


def answer(outbox: Outbox, pull: Pull, max_bytes: int) -> tuple[Batch, list[Item]]:
    """What the publisher answers."""
    chosen = outbox.choose(msgspec.structs.replace(pull, max_bytes=max_bytes))
    batch = Batch(
        what=chosen.what,
        epoch=outbox.epoch,
        after=chosen.after,
        through=chosen.through,
        more=chosen.more,
        last_seq=outbox.last_seq,
        first_seq=outbox.first_seq,
        question=pull.question,
        entries=tuple(Entry(stored.seq, 1.0, 1) for stored in chosen.messages),
    )
    return batch, [Item(stored.seq, 1.0, stored.parts) for stored in chosen.messages]


def following(messages: int = 0, **limits: int) -> Network:
    """A network whose subscriber has had its first snapshot and `messages` live messages."""
    network = Network(**limits)
    network.settle()
    for _ in range(messages):
        network.publish()
        network.deliver()
    return network


def test_a_late_joiner_gets_the_present_state_and_goes_on() -> None:
    """First the newest of each slot, then every message."""
    network = Network(slots=3)
    for _ in range(10):
        network.publish(copies=0)
    network.settle()
    network.publish()
    network.deliver()
    assert network.seqs() == [8, 9, 10, 11]
    assert network.follower.lost == 0


def test_messages_that_come_during_the_snapshot_follow_it() -> None:
    """What is published while the snapshot is on its way is handed on once, after it."""
    network = Network()
    for _ in range(3):
        network.publish(copies=0)
    network.ask(max_bytes=1000)
    network.publish()
    network.deliver(1)
    assert network.got == []
    network.deliver()
    assert network.seqs() == [1, 2, 3, 4]


def test_a_gap_is_noticed_and_replayed() -> None:
    """A missing message is asked for, and later ones wait for it."""
    network = following(2)
    network.publish(copies=0)
    network.publish()
    network.deliver()
    assert network.seqs() == [1, 2]
    pull = network.ask()
    assert pull == Pull(what="replay", epoch="e1", after=2, through=3)
    network.deliver()
    assert network.seqs() == [1, 2, 3, 4]
    assert (network.follower.gaps, network.follower.replays, network.follower.missed) == (1, 1, 1)


def test_a_heartbeat_shows_a_lost_tail() -> None:
    """When the last messages are lost no later one shows it; the heartbeat does."""
    network = following(2)
    for _ in range(3):
        network.publish(copies=0)
    assert network.ask() is None
    network.heartbeat()
    network.deliver()
    assert network.follower.lag == 3
    network.settle()
    assert network.seqs() == [1, 2, 3, 4, 5]
    assert network.follower.gaps == 1


def test_a_duplicate_is_handed_on_once() -> None:
    """The same message twice is counted and ignored."""
    network = following(1)
    network.publish(copies=3)
    network.settle()
    assert network.seqs() == [1, 2]
    assert network.follower.duplicates == 2


def test_what_is_gone_is_made_good_by_a_snapshot_and_counted() -> None:
    """When the replay buffer no longer has it, the newest of each slot comes and the rest is counted as lost."""
    network = following(2, slots=4, replay_bytes=30)
    for _ in range(20):
        network.publish(copies=0)
    network.settle()
    assert network.seqs() == [1, 2, 19, 20, 21, 22]
    assert network.follower.lost == 16


def test_a_new_epoch_begins_with_a_snapshot_and_old_things_stay_away() -> None:
    """After a restart of the publisher nothing of the old epoch is mixed in, however late it comes."""
    network = following(2)
    network.publish()
    old = network.bag.pop()
    network.restart()
    network.publish(copies=0)
    network.publish()
    network.settle()
    network.bag.append(old)
    network.settle()
    assert network.got == [("e1", 1), ("e1", 2), ("e2", 1), ("e2", 2)]
    assert network.follower.strange > 0


def test_a_new_epoch_is_noticed_by_an_answer_too() -> None:
    """A replay asked of the old publisher and answered by the new one leads to a snapshot."""
    network = following(2)
    network.publish(copies=0)
    network.heartbeat()
    network.deliver()
    network.restart()
    network.publish(copies=0)
    network.ask()
    network.deliver()
    assert network.follower.epoch == "e2"
    network.settle()
    assert network.seqs(2) == [1]


def test_one_question_is_outstanding_and_repeated_with_patience() -> None:
    """An unanswered question is repeated after 2 s, then 4 s, 8 s … 30 s."""
    follower = Follower()
    asked = [now_s / 10 for now_s in range(1000) if follower.wants(now_s / 10) is not None]
    assert asked == [0.0, 2.0, 6.0, 14.0, 30.0, 60.0, 90.0]


def test_a_question_that_could_not_be_sent_is_asked_again_soon() -> None:
    """Without a connection the subscriber does not lose its patience."""
    follower = Follower()
    assert follower.wants(0.0) is not None
    follower.unsent(0.0)
    assert follower.wants(0.05) is None
    assert follower.wants(0.11) is not None


def test_a_wrong_number_once_heard_does_not_make_it_ask_for_ever() -> None:
    """A heartbeat that claims too much is corrected by the answer to the question it leads to."""
    network = following(2)
    network.bag.append(("e1", 10**18))
    network.settle()
    assert network.ask(later_s=100.0) is None
    assert network.seqs() == [1, 2]


def test_the_queue_of_early_messages_is_bounded_and_its_drops_come_by_replay() -> None:
    """Live messages beyond the limit are dropped, counted, and replayed."""
    network = following(1, ahead_bytes=45)
    network.publish(copies=0)
    for _ in range(10):
        network.publish()
        network.deliver()
    assert network.follower.dropped == 6
    network.settle()
    assert network.seqs() == list(range(1, 13))


def test_the_number_of_early_messages_is_bounded_too() -> None:
    """Very small messages do not fill the memory with their envelopes."""
    follower = following(1).follower
    for seq in range(3, AHEAD_MESSAGES + 13):
        follower.live("e1", Item(seq, 0.0, (b"",)))
    assert follower.dropped == 10


def test_answers_that_come_late_or_twice_change_nothing() -> None:
    """An answer to a question that was settled otherwise is ignored."""
    network = following(2)
    network.publish(copies=0)
    network.heartbeat()
    network.deliver()
    network.ask()
    late = network.bag[0]
    network.settle()
    network.bag += [late, late]
    network.publish()
    network.settle()
    assert network.seqs() == [1, 2, 3, 4]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 3)),
        st.tuples(st.just("deliver"), st.integers(0, 50)),
        st.tuples(st.just("lose"), st.integers(0, 50)),
        st.tuples(st.just("ask"), st.integers(0, 3)),
        st.tuples(st.just("heartbeat"), st.just(0)),
    ),
    max_size=120,
)


def _play(network: Network, steps: list[tuple[str, int]]) -> None:
    for step, number in steps:
        if step == "publish":
            network.publish(copies=number)
        elif step == "restart":
            network.restart()
        elif step == "heartbeat":
            network.heartbeat()
        elif step == "ask":
            network.ask(later_s=float(number), max_bytes=10 * (number + 1))
        elif network.bag and step == "deliver":
            network.deliver(number)
        elif network.bag and step == "lose":
            network.bag.pop(number % len(network.bag))
    network.settle()


@settings(max_examples=300)
@given(STEPS, st.sampled_from([25, 1000]))
def test_every_message_is_handed_on_once_and_in_order(steps: list[tuple[str, int]], ahead_bytes: int) -> None:
    """However messages, heartbeats and answers are lost, repeated and mixed up: all come, in order, without a gap."""
    network = Network(ahead_bytes=ahead_bytes)
    _play(network, steps)
    assert network.seqs() == list(range(1, network.outbox.last_seq + 1))


@settings(max_examples=200)
@given(STEPS)
def test_what_is_not_handed_on_is_counted(steps: list[tuple[str, int]]) -> None:
    """With a short replay buffer and few slots: in order, the present state complete, the rest superseded or lost."""
    network = Network(slots=3, replay_bytes=30)
    _play(network, steps)
    seqs, last = network.seqs(), network.outbox.last_seq
    assert seqs == sorted(set(seqs))
    assert set(range(max(1, last - 2), last + 1)) <= set(seqs)
    first_snapshot_ends = last - len(seqs) - network.follower.lost
    assert first_snapshot_ends >= 0


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["publish", "ask"]), st.integers(0, 3)),
            st.tuples(st.sampled_from(["deliver", "lose"]), st.integers(0, 50)),
            st.tuples(st.sampled_from(["heartbeat", "restart"]), st.just(0)),
        ),
        max_size=120,
    )
)
def test_restarts_never_mix_epochs(steps: list[tuple[str, int]]) -> None:
    """Each epoch is handed on in order and for good, and the last one is complete."""
    network = Network()
    _play(network, steps)
    epochs = [epoch for epoch, _ in network.got]
    assert epochs == sorted(epochs, key=lambda name: int(name[1:]))
    for epoch in range(1, network.epochs + 1):
        assert network.seqs(epoch) == sorted(set(network.seqs(epoch)))
    assert network.seqs(network.epochs) == list(range(1, network.outbox.last_seq + 1))
