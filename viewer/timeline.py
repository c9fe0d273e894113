"""The holds on a time axis that ends a little after now: what was planned, what came of it, what time is left."""

from __future__ import annotations

from dataclasses import dataclass

from contract.messages import Hold
from viewer import colours
from viewer.badge import choose_picture
from viewer.captions import time_left, voltage_text
from viewer.state import HoldKnown, State

SHOWN_BEFORE_S = 1800.0
HOLDS_SHOWN = 8


@dataclass(frozen=True)
class Bar:
    """One hold; times are seconds from now, the past negative."""

    hold: Hold
    label: str
    begin_s: float
    end_s: float
    """When it ended, will end by plan, or now."""
    done_s: float
    """How far it has come: now, or its end."""
    voltage_v: float | None
    colour: str
    outcome: str
    """planned, scanning, provisional, refined, incomplete or no volume."""


@dataclass(frozen=True)
class Timeline:
    """All bars, oldest first, and the sentence above them."""

    bars: tuple[Bar, ...]
    title: str


_COLOUR = {
    "waiting": colours.SLATE,
    "scanning": colours.SLATE,
    "provisional": colours.AMBER,
    "refined": colours.GREEN,
    "incomplete": colours.BRICK,
    "no volume": colours.GREY,
}


def draw_timeline(state: State, now_s: float) -> Timeline:
    """Lay out the newest holds, at whole seconds."""
    now_s = float(int(now_s))
    holds = sorted(state.holds.values(), key=lambda hold: hold.began_s)[-HOLDS_SHOWN:]
    bars = tuple(_bar(state, hold, now_s) for hold in holds)
    bars = tuple(bar for bar in bars if bar.end_s > -SHOWN_BEFORE_S)
    newest = state.newest_hold()
    if newest is None:
        return Timeline((), "no hold announced")
    left = time_left(newest, now_s)
    known = newest.planned_s is not None and newest.ended_s is None
    return Timeline(
        bars,
        f"crystal {newest.crystal} · {voltage_text(newest.voltage_v)} · " + (f"time left {left}" if known else left),
    )


def _bar(state: State, hold: HoldKnown, now_s: float) -> Bar:
    outcome = _outcome(state, hold)
    end_s = hold.ended_s
    if end_s is None:
        end_s = max(now_s, hold.began_s + (hold.planned_s or 0.0))
    return Bar(
        hold=hold.hold,
        label=voltage_text(hold.voltage_v),
        begin_s=hold.began_s - now_s,
        end_s=end_s - now_s,
        done_s=min(end_s, now_s) - now_s,
        voltage_v=hold.voltage_v,
        colour=_COLOUR[outcome],
        outcome=outcome,
    )


def _outcome(state: State, hold: HoldKnown) -> str:
    shown = choose_picture(state, hold.hold)
    if shown is not None:
        facts = shown.picture.facts
        if facts.stage == "provisional":
            return "provisional"
        return "incomplete" if facts.completion in ("incomplete", "aborted") else "refined"
    if any(scan.hold == hold.hold and scan.status is None for scan in state.scans.values()):
        return "scanning"
    return "waiting" if hold.ended_s is None else "no volume"
