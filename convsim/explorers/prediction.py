"""A question to answer before one looks: a choice among answers, or a number to guess."""

from __future__ import annotations

import html
import re
from typing import Any

import traitlets

from convsim.explorers.base import Explorer, Readouts
from convsim.explorers.traits import LARGEST, Checked, number_trait

FEWEST_ANSWERS, MOST_ANSWERS = 2, 4

Answers = dict[str, str]


def _answers(value: Any) -> Answers:
    if not isinstance(value, dict):
        raise ValueError('pass a dict such as {"Yes": "So it is, because …", "No": "It is, …"}')
    if value and not FEWEST_ANSWERS <= len(value) <= MOST_ANSWERS:
        raise ValueError(f"it has {len(value)} answers; add some or leave some out")
    for answer, feedback in value.items():
        if not isinstance(answer, str) or not isinstance(feedback, str):
            raise ValueError(f"write {answer!r} and what is said to it as texts")
        if not answer.strip() or not feedback.strip():
            raise ValueError(f"say of {answer!r} why it is right or wrong")
    return dict(value)


def _given(value: Any) -> float | None:
    return None if value is None else number_trait(0.0, -LARGEST, LARGEST).check(value)


def _fixed(trait: Any, **how: Any) -> Any:
    return trait.tag(sync=True, fixed=True, **how)


def marked_up(text: str) -> str:
    """Return a text as HTML: code between backticks, and L_CS with its subscript."""
    parts = re.split("`([^`]*)`", html.escape(text, quote=False))
    parts[::2] = [part.replace("L_CS", "L<sub>CS</sub>") for part in parts[::2]]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return "".join(parts)


class Prediction(Explorer):
    """A question with two to four answers, each with a sentence that explains; or a guess.

    Texts are plain, with code between backticks.

    Args:
        question: what is asked.
        answers: each answer with what is said to it; none if a number is to be guessed.

    Traits:
        right: one of the answers.
        low: least number that can be guessed.
        high: largest one.
        value: the number to be guessed.
        unit: what follows the number, with its space.
        explain: why it is this number.
        answer: what the reader says: the place of an answer, counted from 1, or a number; None
            before that.

    Raises:
        traitlets.TraitError: for a value that a trait does not take, and for traits that do not
            fit each other.

    Example:
        >>> sides = {"Three": "A triangle has.", "Four": "One on each side."}
        >>> square = Prediction("How many sides has a square?", sides, right="Four", answer=1)
        >>> square.readouts()
        {'right': False}
        >>> guess = Prediction("What is √2?", low=0, high=2, value=1.41, explain="1.41² ≈ 2.")
        >>> guess.answer = 1.5
        >>> round(guess.readouts()["off"], 2)
        0.09
    """

    question = _fixed(traitlets.Unicode("Two kernels are orthogonal. Are their feature maps?"))
    answers = _fixed(
        Checked(
            {
                "Yes": "Orthogonal kernels fix one lag of many.",
                "Not in general": "The other lags are free.",
            },
            _answers,
            f"a dict of {FEWEST_ANSWERS} to {MOST_ANSWERS} answers, each with what is said to it",
        ),
        # An object of JavaScript would sort answers that are numbers.
        to_json=lambda answers, _widget: list(map(list, answers.items())),
        from_json=lambda pairs, _widget: dict(pairs),
    )
    right = _fixed(traitlets.Unicode("Not in general"))
    low = _fixed(number_trait(0.0, -LARGEST, LARGEST))
    high = _fixed(number_trait(1.0, -LARGEST, LARGEST))
    value = _fixed(number_trait(0.0, -LARGEST, LARGEST))
    unit = _fixed(traitlets.Unicode())
    explain = _fixed(traitlets.Unicode())
    answer = Checked(
        None, _given, "the place of an answer, a number, or None", low=-LARGEST, high=LARGEST
    )

    def __init__(
        self, question: str | None = None, answers: dict[str, str] | None = None, **traits: Any
    ) -> None:
        if question is not None:
            traits = {"right": "", **traits, "question": question, "answers": answers or {}}
        super().__init__(**traits)

    @traitlets.validate("answers", "right", "low", "high", "value", "explain", "answer")
    def _fitting(self, proposal: Any) -> Any:
        names = ("answers", "right", "low", "high", "value", "explain", "answer")
        state = {name: getattr(self, name) for name in names}
        if fault := _misfit(**state | {proposal["trait"].name: proposal["value"]}):
            raise traitlets.TraitError(fault)
        return proposal["value"]

    def readouts(self) -> Readouts:
        """Return whether the answer is ``right``, or by how much a guess is ``off``.

        Both are None before there is an answer.
        """
        given = self.answer is not None
        if self.answers:
            place = [*self.answers].index(self.right) + 1
            return {"right": self.answer == place if given else None}
        return {"off": self.answer - self.value if given else None}

    def fallback(self) -> str:
        """Return the question with its answers folded, for a page without JavaScript."""
        asked = f'<p class="convsim-question">{marked_up(self.question)}</p>'
        listed = "".join(f"<li>{marked_up(answer)}</li>" for answer in self.answers)
        return (
            f'<div class="convsim-fallback">{asked}{listed and f"<ul>{listed}</ul>"}'
            f"<details><summary>Answer</summary>{self._explained()}</details></div>"
        )

    def _explained(self) -> str:
        if not self.answers:
            text = (
                f"<strong>{self.value:g}{marked_up(self.unit)}.</strong> {marked_up(self.explain)}"
            )
            return f"<p>{text}</p>"
        items = (
            f"<li>{'✓' if answer == self.right else '✗'} <strong>{marked_up(answer)}.</strong> "
            f"{marked_up(feedback)}</li>"
            for answer, feedback in self.answers.items()
        )
        return f"<ul>{''.join(items)}</ul>"


def _misfit(
    answers: Answers,
    right: str,
    low: float,
    high: float,
    value: float,
    explain: str,
    answer: float | None,
) -> str:
    """Say in a sentence why these make no question, or nothing."""
    if answers:
        if right not in answers:
            known = ", ".join(map(repr, answers))
            return f"right is {right!r}, expected one of the answers {known}"
        if answer is not None and answer not in range(1, len(answers) + 1):
            return (
                f"answer is {answer:g}, expected a whole number from 1 to {len(answers)}, or None"
            )
        return ""
    if low >= high:
        return f"low is {low:g}, expected a number below high={high:g}"
    if not low <= value <= high:
        bounds = f"low={low:g} to high={high:g}"
        return f"value is {value:g}, expected a number from {bounds}: widen them, or pass answers"
    if not explain.strip():
        return f"explain is empty, expected a sentence or two on why it is {value:g}"
    if answer is not None and not low <= answer <= high:
        return f"answer is {answer:g}, expected a number from {low:g} to {high:g}, or None"
    return ""
