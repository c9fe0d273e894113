"""How the crystal's past, and the volumes made so far, stand to a scan's frames as they come. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec

from contract.messages import ForecastScored
from reconstructor import settled
from reconstructor.curve import Reading
from reconstructor.foreseen import Foreseen, foreseen
from reconstructor.foretold import Foretold, due, verdict
from reconstructor.jobs import Forecast
from reconstructor.past import Laid, Past
from reconstructor.phasing.problem import Mask
from reconstructor.prepare import prepare
from reconstructor.work import Made


class Trial(NamedTuple):
    """A provisional volume that waits for frames to be scored by."""

    revision: int
    frames: int
    foretold: Foretold
    change: float | None
    """1 − complex overlap with the volume before."""


@dataclass(eq=False)
class Prospect:
    """Of one scan."""

    foreseen: Foreseen | None = None
    beaten: bool = False
    """Whether a volume of this scan foretold new frames better than the last hold's object."""
    abandoned: bool = False
    """Whether the crystal has changed too much to begin from its past."""
    trials: list[Trial] = field(default_factory=list)
    shown: list[settled.Shown] = field(default_factory=list)
    """Volumes that were scored."""

    def see(self, past: Past | None, measured: Reading) -> Reading:
        """Lay the past over the frames so far; the curve on the grid it is phased on."""
        before, self.foreseen = self.foreseen, foreseen(self.foreseen, past, measured)
        if before is not None and (self.foreseen is None or self.foreseen.template is not before.template):
            # what was foretold of the grid before says nothing of this one
            self.trials, self.shown, self.beaten, self.abandoned = [], [], False, False
        return measured if self.foreseen is None else self.foreseen.grid.reading

    def forecast(self, passed: bool) -> Forecast:
        """How the crystal's last object stands to this scan; once the peak has passed its place has to be known."""
        if self.foreseen is None or (passed and not self.foreseen.close):
            return "none"
        if self.abandoned:
            return "abandoned"
        return "beaten" if self.beaten else "fitted"

    @property
    def laid(self) -> Laid | None:
        """The last hold's object, as it lies on this scan."""
        return None if self.foreseen is None else self.foreseen.laid

    def is_last_hold(self, made: Made) -> bool:
        """Whether a volume is captioned LAST HOLD: it shows the past, or began there and nothing has beaten that yet.

        Of the whole curve there is nothing left to foretell: such a volume is told from its past by free LLK.
        """
        job = made.task.job
        if job.stage == "refined":
            return False
        return job.begins == "last hold" or (made.start == "warm" and not job.over and not self.beaten)

    def expect(self, revision: int, made: Made) -> None:
        """A provisional volume was made: it will be scored when more frames have come."""
        if made.foretold is not None:
            job = made.task.job
            self.trials.append(Trial(revision, job.frames, made.foretold, made.change))

    def judge(self, reading: Reading, free: Mask, expected: int, over: bool) -> list[ForecastScored]:
        """Score the volumes whose time has come; `expected` frames are planned, `over` says that no more come."""
        told = []
        for trial in [one for one in self.trials if over or due(one.frames, reading.frames, expected, over)]:
            self.trials.remove(trial)
            if (found := self._judge(trial, reading, free)) is not None:
                told.append(found)
        return told

    def _judge(self, trial: Trial, reading: Reading, free: Mask) -> ForecastScored | None:
        if reading.frames <= trial.frames:
            return None
        found = verdict(trial.foretold, prepare(reading, trial.foretold.window, free).problem)
        if found is None:
            return None
        self.beaten = self.beaten or (found.beats and found.baseline is not None)
        self.abandoned = self.abandoned or found.abandoned
        self.shown.append(settled.Shown(trial.frames, trial.change, found.residual))
        return ForecastScored(
            scan=reading.started.scan,
            revision=trial.revision,
            frames_used=trial.frames,
            frames_scored=reading.frames,
            residual=found.residual,
            baseline=found.baseline,
            last_hold=found.baseline is not None and not self.beaten,
            abandoned=self.abandoned,
        )


def first_look(made: Made, reading: Reading, free: Mask) -> Made:
    """The volume with its forecast residual as far as frames have come while it was made."""
    if made.foretold is None or reading.frames <= made.task.job.frames:
        return made
    found = verdict(made.foretold, prepare(reading, made.foretold.window, free).problem)
    if found is None:
        return made
    return replace(made, quality=msgspec.structs.replace(made.quality, forecast_residual=found.residual))
