"""One line for a recipe, read left to right.

    recipe   = [ Start "*" ] [ Runs "*" ] stage { "|" stage }
    stage    = item { "*" item }
    item     = step | setting
    step     = ("ER" | "HIO" | "RAAR" | "DM" | "SF") [ "(" β ")" ] [ "**" iterations ]
    setting  = "Sup"  "(" [every=20] [threshold=0.15..0.4] [sigma=2..0.5] [fraction=0.0001..0.7] ")"
             | "Twin" "(" [at=0.25] [iterations=10] ")"
             | "Crop" "(" share ")"
             | "Tries" "(" number ")"
             | "Start" "(" [autocorrelation=0.05..0.11] [grow=2] ")"
             | "Runs" "(" [cold=20] [warm=1] [least=3] ")"

Arguments are separated by commas; a range may be one number (both ends). `Sup`, `Twin`, `Crop` and `Tries` hold for the
stage they stand in, wherever they stand; `Start` and `Runs` for the recipe. Example:

    Crop(0.5) * Tries(4) * Sup(threshold=0.1..0.2) * HIO**300 * RAAR**300 | Sup() * RAAR(0.9)**60 * ER**40
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from reconstructor.phasing.problem import PhasingError
from reconstructor.phasing.recipe import Beginning, Range, Recipe, Runs, Shrinkwrap, Stage, Step, TwinRemoval
from reconstructor.phasing.steps import ALGORITHMS, Algorithm


class NotationError(PhasingError):
    """A recipe's line cannot be read; the text shows the line and points at the character."""

    def __init__(self, text: str, at: int, found: str, wanted: str) -> None:
        super().__init__(f"recipe, character {at + 1}: found {found}; wanted {wanted}\n  {text}\n  {' ' * at}^")
        self.at = at


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Argument(NamedTuple):
    name: str
    value: Range
    at: int


_TOKENS = re.compile(
    r"\s*(?:(?P<power>\*\*)|(?P<range>\.\.)|(?P<number>\d+(?:\.(?!\.)\d*)?(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z_]+)|(?P<sign>[*|(),=]))"
)


def parse(text: str, name: str = "custom") -> Recipe:
    """Read one line of notation. Raises NotationError, which points at the character."""
    return _Reader(text).recipe(name)


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKENS.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise NotationError(text, at, repr(text[at]), "an algorithm, a setting, a number or one of * ** | ( ) , =")
        kind = match.lastgroup or ""
        word = match.group(kind)
        tokens.append(_Token(word if kind == "sign" else kind, word, match.start(kind)))
        at = match.end()
    return [*tokens, _Token("end", "the end", len(text.rstrip()))]


@dataclass
class _Draft:
    """A stage, or the head of the recipe, while it is read."""

    steps: list[Step] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.place = 0
        self.head = _Draft()

    def recipe(self, name: str) -> Recipe:
        stages = [self.stage()]
        while self.take("|"):
            stages.append(self.stage())
        if self.now.kind != "end":
            raise self.error("'*', '|' or the end")
        return Recipe(name, tuple(stages), **self.head.settings)

    def stage(self) -> Stage:
        draft, first = _Draft(), self.now
        self.item(draft)
        while self.take("*"):
            self.item(draft)
        if not draft.steps:
            raise NotationError(self.text, first.at, "a stage without steps", "at least one step, such as ER**20")
        return Stage(tuple(draft.steps), **draft.settings)

    def item(self, draft: _Draft) -> None:
        word = self.now
        if word.kind != "name":
            raise self.error("an algorithm (" + ", ".join(ALGORITHMS) + ") or a setting (" + ", ".join(_SETTINGS) + ")")
        self.place += 1
        if word.text in ALGORITHMS:
            draft.steps.append(self.step(word))
        elif word.text in _SETTINGS:
            self.setting(word, draft)
        else:
            raise NotationError(self.text, word.at, repr(word.text), "one of " + ", ".join([*ALGORITHMS, *_SETTINGS]))

    def step(self, word: _Token) -> Step:
        found: dict[str, Any] = {}
        arguments = self.arguments(("beta",)) if self.now.kind == "(" else []
        for argument in arguments:
            found["beta"] = self.single(argument)
        iterations = 1
        if self.take("power"):
            count = self.expect("number", "a number of iterations")
            if not count.text.isdigit():
                raise NotationError(self.text, count.at, count.text, "a whole number of iterations")
            iterations = int(count.text)
        step: Step = self.made(word, lambda: Step(cast(Algorithm, word.text), iterations, **found))
        return step

    def setting(self, word: _Token, draft: _Draft) -> None:
        setting = _SETTINGS[word.text]
        where = self.head if setting.recipe else draft
        if setting.key in where.settings:
            raise NotationError(self.text, word.at, f"a second {word.text}", "each setting once")
        if self.now.kind != "(":
            raise self.error(f"'(' after {word.text}")
        found: dict[str, Any] = {}
        for argument in self.arguments(tuple(setting.fields)):
            key, kind = setting.fields[argument.name]
            found[key] = argument.value if kind == "range" else self.single(argument, whole=kind == "whole")
        where.settings[setting.key] = self.made(word, lambda: setting.make(**found))

    def arguments(self, names: tuple[str, ...]) -> list[_Argument]:
        self.expect("(", "'('")
        found: list[_Argument] = []
        while not self.take(")"):
            if found:
                self.expect(",", "',' or ')'")
            word = self.now
            name = names[0]
            if word.kind == "name":
                self.place += 1
                name = word.text
                self.expect("=", f"'=' after {name}")
            if name not in names or name in [argument.name for argument in found]:
                raise NotationError(self.text, word.at, repr(name), "each of " + ", ".join(names) + " once at most")
            found.append(_Argument(name, self.range(), word.at))
        return found

    def range(self) -> Range:
        low = float(self.expect("number", "a number").text)
        high = float(self.expect("number", "a number after '..'").text) if self.take("range") else low
        return low, high

    def single(self, argument: _Argument, whole: bool = False) -> float:
        low, high = argument.value
        if low != high:
            raise NotationError(
                self.text, argument.at, f"the range {low:g}..{high:g}", f"one number for {argument.name}"
            )
        if whole and not low.is_integer():
            raise NotationError(self.text, argument.at, f"{low:g}", f"a whole number for {argument.name}")
        return int(low) if whole else low

    def made(self, word: _Token, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except PhasingError as wrong:
            found, _, wanted = str(wrong).partition("; wanted ")
            raise NotationError(self.text, word.at, found, wanted) from None

    @property
    def now(self) -> _Token:
        return self.tokens[self.place]

    def take(self, kind: str) -> bool:
        if self.now.kind != kind:
            return False
        self.place += 1
        return True

    def expect(self, kind: str, wanted: str) -> _Token:
        token = self.now
        if token.kind != kind:
            raise self.error(wanted)
        self.place += 1
        return token

    def error(self, wanted: str) -> NotationError:
        found = self.now.text if self.now.kind == "end" else repr(self.now.text)
        return NotationError(self.text, self.now.at, found, wanted)


class _Setting(NamedTuple):
    key: str
    """Field of Stage, or of Recipe."""
    fields: dict[str, tuple[str, str]]
    """Name in the notation -> (field, "range" | "number" | "whole")."""
    make: Callable[..., Any]
    recipe: bool = False


_SETTINGS = {
    "Sup": _Setting(
        "shrinkwrap",
        {
            "every": ("every", "whole"),
            "threshold": ("threshold", "range"),
            "sigma": ("sigma_voxels", "range"),
            "fraction": ("fraction", "range"),
        },
        Shrinkwrap,
    ),
    "Twin": _Setting("twin", {"at": ("at", "number"), "iterations": ("iterations", "whole")}, TwinRemoval),
    "Crop": _Setting(
        "crop", {"share": ("share", "number")}, lambda share=1.0: Stage((Step("ER", 1),), crop=share).crop
    ),
    "Tries": _Setting(
        "tries", {"number": ("number", "whole")}, lambda number=1: Stage((Step("ER", 1),), tries=number).tries
    ),
    "Start": _Setting(
        "beginning",
        {"autocorrelation": ("autocorrelation", "range"), "grow": ("grow_voxels", "whole")},
        Beginning,
        recipe=True,
    ),
    "Runs": _Setting("runs", {key: (key, "whole") for key in ("cold", "warm", "least")}, Runs, recipe=True),
}


def written(recipe: Recipe) -> str:
    """The canonical line of a recipe: every setting written out; `parse` reads it back."""
    head = [_setting("Start", recipe.beginning), _setting("Runs", recipe.runs)]
    return " * ".join(head) + " * " + " | ".join(_stage(stage) for stage in recipe.stages)


def sha256(recipe: Recipe) -> str:
    """Of the canonical line in UTF-8, hexadecimal: the same for recipes that do the same."""
    return hashlib.sha256(written(recipe).encode()).hexdigest()


def _stage(stage: Stage) -> str:
    items = [f"Crop({float(stage.crop)!r})"] if stage.crop != 1 else []
    items += [f"Tries({stage.tries})"] if stage.tries != 1 else []
    items += [_setting("Sup", stage.shrinkwrap)] if stage.shrinkwrap else []
    items += [_setting("Twin", stage.twin)] if stage.twin else []
    items += [f"{step.algorithm}({float(step.beta)!r})**{step.iterations}" for step in stage.steps]
    return " * ".join(items)


def _setting(word: str, value: Any) -> str:
    arguments = []
    for name, (key, kind) in _SETTINGS[word].fields.items():
        number = getattr(value, key)
        if kind == "range":
            arguments.append(f"{name}={float(number[0])!r}..{float(number[1])!r}")
        else:
            arguments.append(f"{name}={int(number) if kind == 'whole' else float(number)!r}")
    return f"{word}({', '.join(arguments)})"
