"""How large a job may be, so that it is ready in time: window, runs and iterations by the measured speed. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from reconstructor.forecast.warm import WARM
from reconstructor.jobs import Begins, Job, Offer, Outlook, Start
from reconstructor.phasing.recipe import scaled
from reconstructor.speed import Speed

PUBLISH_S = 0.6
"""Kept free before the hold's end: archive and publication."""
SHOW_S = 0.3
"""The same for a provisional volume, which is smaller."""
FIRST_SHARE = 0.6
"""The first refined volume may take this share of the time left; machines are not always as fast as they were."""
KEPT_SHARE = 0.5
"""What follows the runs may take twice as long as it did before, if that leaves the runs this share of their time."""
LEAST_SHARE = 0.2
"""A recipe cut to less than this share of its iterations is no longer that recipe."""
GOOD_SHARE = 0.25
"""A cheaper offer is preferred to one that would have to be cut below this share."""
BETTER_SHARE = 1.5
"""A refined volume is made anew on the same window only with this many times its iterations."""
SAFETY = 0.8
"""Better revisions are begun only if their estimate takes at most this share of the time left."""
LEAST_PROVISIONAL = 0.5
"""A provisional recipe is not cut below this share of its iterations, however slow the machine."""
UNKNOWN_HOLD_S = 60.0
"""Time a refined volume may take when nobody said when the hold ends, or when it comes too late anyway."""


@dataclass(frozen=True)
class Machine:
    """What jobs run on."""

    workers: int
    """Runs that one device does at once."""
    speed: Speed

    def job(self, offer: Offer, runs: int) -> float:
        """Seconds a job takes, from its start until its volume is ready."""
        return self.speed.job(offer.recipe, offer.window.shape, runs, self.workers)

    def least_runs(self, offer: Offer) -> int:
        """The recipe's least number of runs, and no worker idle."""
        return self.workers * -(-offer.recipe.runs.least // self.workers)


def provisional(
    machine: Machine, outlook: Outlook, begins: Begins, within_s: float, cut_at: float | None = None
) -> Start:
    """The first offer that is quick enough; if none is, the cheapest, its recipe shortened. What is there at `cut_at`
    is used, should the machine be slower than it was.

    While frames come, as few runs as there are workers (two at least) keep the volumes coming; on the whole curve as
    many as the recipe asks for, if there is time. Runs that begin warm go through `WARM`.
    """
    runs = {"last hold": 0, "warm": 1}.get(begins, max(2, machine.workers))
    offers = [replace(o, recipe=WARM) if begins == "warm" else o for o in outlook.provisional]
    offer = next((o for o in offers if machine.job(o, runs) <= within_s), None)
    if offer is None:
        offer = _shortened(machine, offers[-1], runs, within_s)
    elif outlook.over and runs > 1:
        wanted = offer.recipe.runs.cold + (offer.recipe.runs.warm if begins == "cold and warm" else 0)
        runs = max((n for n in range(runs, wanted + 1) if machine.job(offer, n) <= within_s), default=runs)
    job = Job(
        scan=outlook.scan,
        window_revision=outlook.window_revision,
        stage="provisional",
        frames=outlook.frames,
        offer=offer,
        runs=runs,
        first_seed=1000 * outlook.frames,
        begins=begins,
        over=outlook.over,
        finish_by=cut_at,
    )
    return Start(job, machine.job(offer, runs), fits=True)


def cut_at(machine: Machine, outlook: Outlook, now: float, until: float) -> float:
    """When the runs of a provisional job have to end so that its volume is out by `until`, or to have gone half of the
    way of the shortest recipe, if that is later."""
    offer = outlook.provisional[-1]
    usual = LEAST_PROVISIONAL * machine.speed.run(offer.recipe, offer.window.shape)
    return max(until - SHOW_S - machine.speed.around(offer.window.shape), now + LEAST_PROVISIONAL * usual)


def refined(
    machine: Machine, outlook: Outlook, now: float, until: float | None, most_s: float = float("inf")
) -> Start | None:
    """A refined job that is published by `until`, as thorough as `FIRST_SHARE` of that time and `most_s` allow.

    The best offer of which a good part fits; if there is none, the one that keeps most of itself. Where nothing
    fits, or `until` is not known, the job is one to be proud of all the same, and nothing ends it early. None
    without an offer.
    """
    left = UNKNOWN_HOLD_S if until is None else until - now - PUBLISH_S
    plans = [(_cut(machine, offer, min(FIRST_SHARE * left, most_s), left), offer) for offer in outlook.refined]
    fitting = [(cut, offer) for cut, offer in plans if _estimate(machine, cut) <= left]
    good = [(cut, offer) for cut, offer in fitting if _share(cut, offer) >= GOOD_SHARE]
    if good:
        return _start(machine, outlook, now, good[0][0], until)
    if fitting:
        return _start(machine, outlook, now, max(fitting, key=lambda plan: _share(*plan))[0], until)
    if not plans:
        return None
    patient = min(FIRST_SHARE * UNKNOWN_HOLD_S, most_s)
    late = [_cut(machine, offer, patient, patient) for offer in outlook.refined]
    offer = next((cut for cut in late if _estimate(machine, cut) <= patient), late[-1])
    return _start(machine, outlook, now, offer, None, fits=until is None)


def least_s(machine: Machine, outlook: Outlook) -> float | None:
    """Seconds of the quickest refined job; None without an offer, be it only a likely one."""
    offers = outlook.refined or outlook.likely
    return min((_estimate(machine, _least(offer)) for offer in offers), default=None)


def better(machine: Machine, outlook: Outlook, now: float, until: float | None) -> Start | None:
    """What improves a refined volume and is published by `until`; None if nothing does.

    First the volume anew: on a better window, or with many more iterations. Then more runs, up to the recipe's number.
    """
    left = float("inf") if until is None else SAFETY * (until - now) - PUBLISH_S
    if outlook.refined_offer is None:
        return None
    for offer in _improved(outlook):
        if machine.job(offer, machine.least_runs(offer)) <= left:
            return _start(machine, outlook, now, offer, until)
    runs = min(2 * machine.workers, outlook.refined_offer.recipe.runs.cold - outlook.refined_runs)
    if runs < 1 or machine.job(outlook.refined_offer, runs) > left:
        return None
    return _start(machine, outlook, now, outlook.refined_offer, until, more=runs)


def _improved(outlook: Outlook) -> list[Offer]:
    """Offers in full that are better than the one the refined volume was made by, the best first."""
    had = outlook.refined_offer
    for place, offer in enumerate(outlook.refined):
        if had is not None and (offer.window, offer.recipe.name) == (had.window, had.recipe.name):
            anew = offer.recipe.iterations >= BETTER_SHARE * had.recipe.iterations
            return [*outlook.refined[:place], *([offer] if anew else [])]
    return []


def _shortened(machine: Machine, offer: Offer, runs: int, within_s: float) -> Offer:
    """A provisional offer cut to what the time allows, but not below `LEAST_PROVISIONAL`."""
    around = machine.speed.around(offer.window.shape)
    share = (within_s - around) / max(machine.job(offer, runs) - around, 1e-9)
    return _scaled(offer, max(LEAST_PROVISIONAL, share))


def _cut(machine: Machine, offer: Offer, want_s: float, left_s: float) -> Offer:
    """An offer with as many iterations as `want_s` allows, never below `LEAST_SHARE`, nor above it if too long."""
    shape = offer.window.shape
    rounds = machine.least_runs(offer) // machine.workers
    share = (want_s - machine.speed.around(shape)) / (rounds * machine.speed.run(offer.recipe, shape))
    cut = _scaled(offer, max(LEAST_SHARE, share))
    return cut if _estimate(machine, cut) <= left_s else _least(offer)


@lru_cache(maxsize=256)
def _least(offer: Offer) -> Offer:
    """An offer cut as far as one may be; remembered, for it is asked for at every look."""
    return _scaled(offer, LEAST_SHARE)


def _scaled(offer: Offer, share: float) -> Offer:
    if share >= 1:
        return offer
    return Offer(offer.window, scaled(offer.recipe, max(1, round(offer.recipe.iterations * share))))


def _share(cut: Offer, offer: Offer) -> float:
    return cut.recipe.iterations / offer.recipe.iterations


def _estimate(machine: Machine, offer: Offer) -> float:
    return machine.job(offer, machine.least_runs(offer))


def _start(
    machine: Machine,
    outlook: Outlook,
    now: float,
    offer: Offer,
    until: float | None,
    *,
    fits: bool = True,
    more: int = 0,
) -> Start:
    """A refined job; with `more`, so many runs that join those there are."""
    runs = more or machine.least_runs(offer)
    job = Job(
        scan=outlook.scan,
        window_revision=outlook.window_revision,
        stage="refined",
        frames=outlook.frames,
        offer=offer,
        runs=runs,
        first_seed=outlook.next_seed,
        begins=_beginning(outlook, more),
        over=outlook.over,
        more=more > 0,
        finish_by=None if until is None else _finish_by(machine, offer, runs, now, until),
    )
    return Start(job, machine.job(offer, runs), fits)


def _beginning(outlook: Outlook, more: int) -> Begins:
    """Cold runs; beside them one warm from the last hold's object or from the provisional volume of these frames."""
    shown = outlook.shown_frames == outlook.frames
    return "cold and warm" if not more and (outlook.warm or shown) else "cold"


def _finish_by(machine: Machine, offer: Offer, runs: int, now: float, until: float) -> float:
    """When runs have to end so that their volume is out by `until`, also if what follows them goes slower by then."""
    after = machine.speed.around(offer.window.shape)
    kept = until - PUBLISH_S - now - KEPT_SHARE * (machine.job(offer, runs) - after)
    return until - PUBLISH_S - min(2 * after, max(after, kept))
