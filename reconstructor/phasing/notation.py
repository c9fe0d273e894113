"""One line for a recipe, read left to right.

    recipe   = [ Start "*" ] [ Runs "*" ] [ Guided "*" ] stage { "|" stage }
    stage    = item { "*" item }
    item     = step | setting
    step     = ("ER" | "HIO" | "RAAR" | "DM" | "SF") [ "(" [beta=]0.9 ")" ] [ "**" iterations ]
             | "CF" [ "(" [threshold=]0.3 ")" ] [ "**" iterations ]
             | "ML" [ "**" iterations ]
    setting  = "Sup"  "(" [every=20] [threshold=0.15..0.4] [sigma=2..0.5] [fraction=0.0001..0.7]
                          [by=rms|mean|max] [grows=yes|no] ")"
             | "Twin" "(" [at=0.25] [iterations=10] ")"
             | "Coherent" "(" [at=0.67] [every=20] [reach=3] [iterations=10] ")"
             | "Crop" "(" share ")"
             | "Tries" "(" number ")"
             | "Start" "(" [autocorrelation=0.05..0.11] [grow=2] [shape=autocorrelation|ellipsoid|box] [size=0.5] ")"
             | "Runs" "(" [cold=20] [warm=0] [least=1] ")"
             | "Guided" "(" [generations=3] [breeding=geometric|mean|maximum|minimum] [keep=0.5] [sigma=2..1.5] ")"

Arguments are separated by commas; a range may be one number (both ends). `Sup`, `Twin`, `Coherent`, `Crop` and `Tries`
hold for the stage they stand in, wherever they stand; `Start`, `Runs` and `Guided` for the recipe. Example:

    Crop(0.5) * Tries(4) * Sup(threshold=0.1..0.2) * HIO**300 * RAAR**300 | Sup() * RAAR(0.9)**60 * ER**40 * ML**20
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, NamedTuple, cast

from reconstructor.phasing.problem import PhasingError
from reconstructor.phasing.recipe import MOST_ITERATIONS, Range, Recipe, Stage, Step
from reconstructor.phasing.steps import ALGORITHMS, Algorithm
from reconstructor.phasing.vocabulary import ARGUMENT, SETTINGS, YES_NO, Field


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
    value: Range | str
    at: int


SHOWN_DIGITS = 20
"""Of a number in an error message."""

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
            raise self.error("an algorithm (" + ", ".join(ALGORITHMS) + ") or a setting (" + ", ".join(SETTINGS) + ")")
        self.place += 1
        if word.text in ALGORITHMS:
            draft.steps.append(self.step(word))
        elif word.text in SETTINGS:
            self.setting(word, draft)
        else:
            raise NotationError(self.text, word.at, repr(word.text), "one of " + ", ".join([*ALGORITHMS, *SETTINGS]))

    def step(self, word: _Token) -> Step:
        algorithm = cast(Algorithm, word.text)
        name, beta = ARGUMENT.get(algorithm, ("", 0.9))
        if name and self.now.kind == "(":
            for argument in self.arguments((name,)):
                beta = self.value(argument, Field("beta", "number"))
        iterations = 1
        if self.take("power"):
            count = self.expect("number", "a number of iterations")
            # digits are counted before they are read: a number may have thousands of them
            if not count.text.isdigit() or len(count.text) > len(str(MOST_ITERATIONS)):
                shown = count.text if len(count.text) <= SHOWN_DIGITS else f"{count.text[:SHOWN_DIGITS]}…"
                raise NotationError(self.text, count.at, shown, f"a whole number of iterations, 1 to {MOST_ITERATIONS}")
            iterations = int(count.text)
        step: Step = self.made(word, lambda: Step(algorithm, iterations, beta))
        return step

    def setting(self, word: _Token, draft: _Draft) -> None:
        setting = SETTINGS[word.text]
        where = self.head if setting.recipe else draft
        if setting.key in where.settings:
            raise NotationError(self.text, word.at, f"a second {word.text}", "each setting once")
        if self.now.kind != "(":
            raise self.error(f"'(' after {word.text}")
        found: dict[str, Any] = {}
        for argument in self.arguments(tuple(setting.fields)):
            described = setting.fields[argument.name]
            found[described.key] = self.value(argument, described)
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
            value = self.expect("name", "a word").text if self.now.kind == "name" else self.range()
            found.append(_Argument(name, value, word.at))
        return found

    def range(self) -> Range:
        low = float(self.expect("number", "a number").text)
        high = float(self.expect("number", "a number after '..'").text) if self.take("range") else low
        return low, high

    def value(self, argument: _Argument, described: Field) -> Any:
        """An argument's value, if it is of its kind."""
        kind, found = described.kind, argument.value
        if isinstance(found, str) or kind == "word":
            shown = repr(found) if isinstance(found, str) else f"{found[0]:g}"
            if kind != "word" or found not in described.words:
                wanted = "one of " + ", ".join(described.words) if kind == "word" else "a number"
                raise NotationError(self.text, argument.at, shown, f"{wanted} for {argument.name}")
            return found == "yes" if described.words == YES_NO else found
        low, high = found
        if kind == "range":
            return found
        if low != high:
            raise NotationError(
                self.text, argument.at, f"the range {low:g}..{high:g}", f"one number for {argument.name}"
            )
        if kind == "whole" and not low.is_integer():
            raise NotationError(self.text, argument.at, f"{low:g}", f"a whole number for {argument.name}")
        if kind == "whole" and low > MOST_ITERATIONS:
            wanted = f"at most {MOST_ITERATIONS} for {argument.name}"
            raise NotationError(self.text, argument.at, f"{low:g}", wanted)
        return int(low) if kind == "whole" else low

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


def written(recipe: Recipe) -> str:
    """The canonical line of a recipe: every setting written out, but those younger than the first recipes where they
    are at their default; `parse` reads it back."""
    head = [_setting("Start", recipe.beginning), _setting("Runs", recipe.runs)]
    head += [_setting("Guided", recipe.guided)] if recipe.guided else []
    return " * ".join(head) + " * " + " | ".join(_stage(stage) for stage in recipe.stages)


def sha256(recipe: Recipe) -> str:
    """Of the canonical line in UTF-8, hexadecimal: the same for recipes that do the same."""
    return hashlib.sha256(written(recipe).encode()).hexdigest()


def _stage(stage: Stage) -> str:
    items = [f"Crop({float(stage.crop)!r})"] if stage.crop != 1 else []
    items += [f"Tries({stage.tries})"] if stage.tries != 1 else []
    items += [_setting("Sup", stage.shrinkwrap)] if stage.shrinkwrap else []
    items += [_setting("Twin", stage.twin)] if stage.twin else []
    items += [_setting("Coherent", stage.coherence)] if stage.coherence else []
    return " * ".join([*items, *(_step(step) for step in stage.steps)])


def _step(step: Step) -> str:
    argument = f"({float(step.beta)!r})" if step.algorithm in ARGUMENT else ""
    return f"{step.algorithm}{argument}**{step.iterations}"


def _setting(word: str, value: Any) -> str:
    defaults = {each.name: each.default for each in fields(value) if each.default is not MISSING}
    arguments = []
    for name, described in SETTINGS[word].fields.items():
        found = getattr(value, described.key)
        if not described.quiet or found != defaults.get(described.key):
            arguments.append(f"{name}={_value(found, described)}")
    return f"{word}({', '.join(arguments)})"


def _value(found: Any, described: Field) -> str:
    match described.kind:
        case "range":
            return f"{float(found[0])!r}..{float(found[1])!r}"
        case "whole":
            return str(int(found))
        case "number":
            return repr(float(found))
        case "word":
            return ("yes" if found else "no") if described.words == YES_NO else str(found)
