"""Which holds can still have their refined volume in time, when several wait for one machine. Pure arithmetic.

Each claim is laid into the time that is left, the claim whose hold ends first before the others, at the earliest
moment at which a device has room for it. A claim that would come too late is left out: it can delay no other. So a
deadline *could be met* if its least job fits beside the least jobs of those whose holds end no later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contract.messages import Scan

Span = tuple[float, float]
"""From when to when a device is busy."""
BISECTIONS = 12


@dataclass(frozen=True)
class Claim:
    """A scan that needs a refined volume before its hold ends; times in seconds."""

    scan: Scan
    ready_at: float
    """When its job can begin: after its last frame."""
    until: float
    """When its job must be done."""
    least_s: float
    """What the quickest job takes."""


def met(claims: Sequence[Claim], free_at: Sequence[float]) -> dict[Scan, float]:
    """When the least job of each claim that can be met would be done; `free_at` is when each device is free."""
    return _laid(claims, free_at, {})[0]


def ready(claims: Sequence[Claim], free_at: Sequence[float]) -> dict[Scan, float]:
    """When the least job of each claim would be done; of one that cannot be met, beside those that can."""
    done, busy = _laid(claims, free_at, {})
    missed = [claim for claim in claims if claim.scan not in done]
    return done | {claim.scan: min(_begins(claim, free_at, busy)) + claim.least_s for claim in missed}


def room(claim: Claim, others: Sequence[Claim], free_at: Sequence[float]) -> float:
    """How long a job may take that begins for `claim` on the first free device, so that it and the others are in time.

    No less than its least job, which takes nothing from those that could be met beside it.
    """
    begin = max(min(free_at), claim.ready_at)
    wanted = set(met([claim, *others], free_at)) - {claim.scan}
    rest = [other for other in others if other.scan in wanted]
    low, high = claim.least_s, max(claim.least_s, claim.until - begin)
    if _harmless(high, begin, rest, free_at):
        return high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _harmless(middle, begin, rest, free_at) else (low, middle)
    return low


def _harmless(length_s: float, begin: float, others: Sequence[Claim], free_at: Sequence[float]) -> bool:
    """Whether all the others can be met beside a job of that length on the first free device."""
    first = min(range(len(free_at)), key=lambda device: free_at[device])
    return len(_laid(others, free_at, {first: [(begin, begin + length_s)]})[0]) == len(others)


def _laid(
    claims: Sequence[Claim], free_at: Sequence[float], taken: dict[int, list[Span]]
) -> tuple[dict[Scan, float], list[list[Span]]]:
    """When each claim that can be met is done, and when each device is busy then."""
    busy: list[list[Span]] = [sorted(taken.get(device, [])) for device in range(len(free_at))]
    done: dict[Scan, float] = {}
    for claim in sorted(claims, key=lambda claim: claim.until):
        begins = _begins(claim, free_at, busy)
        device = min(range(len(begins)), key=begins.__getitem__)
        end = begins[device] + claim.least_s
        if end <= claim.until:
            busy[device] = sorted([*busy[device], (begins[device], end)])
            done[claim.scan] = end
    return done, busy


def _begins(claim: Claim, free_at: Sequence[float], busy: Sequence[Sequence[Span]]) -> list[float]:
    """When each device could begin the claim's job."""
    return [_earliest(claim, free, spans) for free, spans in zip(free_at, busy, strict=True)]


def _earliest(claim: Claim, free_at: float, spans: Sequence[Span]) -> float:
    """When a device that is free from `free_at` on, but for these spans, can begin the claim's job."""
    begin = max(free_at, claim.ready_at)
    for start, end in spans:
        if begin + claim.least_s <= start:
            break
        begin = max(begin, end)
    return begin
