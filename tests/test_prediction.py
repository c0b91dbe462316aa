"""Questions: their traits, what an error says, and the page without JavaScript."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import traitlets
from bs4 import BeautifulSoup

from book.predictions import answers
from convsim.explorers import Prediction
from convsim.explorers.prediction import marked_up
from tests.test_chapters import listed

CHOICE: dict[str, Any] = {
    "question": "How many sides has a square?",
    "answers": {"3": "A triangle has.", "10": "A decagon has.", "4": "One at `each` <side>."},
    "right": "4",
}
GUESS: dict[str, Any] = {
    "question": "What is √2?",
    "low": 0,
    "high": 2,
    "value": 1.41,
    "unit": " m",
    "explain": "1.41² is nearly 2.",
}


def test_an_answer_is_right_wrong_or_not_there_yet() -> None:
    prediction = Prediction(**CHOICE)
    seen = []
    for answer in (None, 1, 2, 3):
        prediction.answer = answer
        seen.append(prediction.readouts())
    assert seen == [{"right": None}, {"right": False}, {"right": False}, {"right": True}]


def test_a_guess_is_off_by_what_it_is_above_the_number() -> None:
    prediction = Prediction(**GUESS)
    assert prediction.readouts() == {"off": None}
    prediction.answer = 1
    assert prediction.readouts()["off"] == pytest.approx(-0.41)


def test_answers_that_are_numbers_keep_their_order_on_the_way_to_a_page_and_back() -> None:
    prediction = Prediction(**CHOICE)
    assert [answer for answer, _ in prediction.get_state()["answers"]] == ["3", "10", "4"]
    copy = Prediction()
    copy.set_state(prediction.get_state(["question", "answers", "right"]))
    assert [*copy.answers] == ["3", "10", "4"]


@pytest.mark.parametrize(
    ("form", "changes", "text"),
    [
        (CHOICE, {"right": "5"}, "right is '5', expected one of the answers '3', '10', '4'"),
        (CHOICE, {"answers": {"4": "It has."}}, "it has 1 answers; add some or leave some out"),
        (CHOICE, {"answers": dict.fromkeys("abcde", "No.")}, "it has 5 answers; add some or"),
        (CHOICE, {"answers": {"4": " ", "3": "No."}}, "say of '4' why it is right or wrong"),
        (CHOICE, {"answers": {4: "Yes.", 3: "No."}}, "write 4 and what is said to it as texts"),
        (CHOICE, {"answers": ["4", "3"]}, "a dict of 2 to 4 answers, each with what is said"),
        (CHOICE, {"answer": 4}, "answer is 4, expected a whole number from 1 to 3, or None"),
        (CHOICE, {"answer": 1.5}, "answer is 1.5, expected a whole number from 1 to 3, or None"),
        (CHOICE, {"answer": "4"}, "got '4': replace '4' with a finite number"),
        (GUESS, {"value": 3}, "value is 3, expected a number from low=0 to high=2: widen them"),
        (GUESS, {"low": 2, "value": 2}, "low is 2, expected a number below high=2"),
        (GUESS, {"explain": ""}, "explain is empty, expected a sentence or two on why it is 1.41"),
        (GUESS, {"answer": 2.5}, "answer is 2.5, expected a number from 0 to 2, or None"),
        (GUESS, {"low": "0"}, "low must be a number from -1e+06 to 1e+06, got '0': replace '0'"),
    ],
)
def test_an_error_says_what_came_and_what_to_do(
    form: dict[str, Any], changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(traitlets.TraitError) as error:
        Prediction(**form | changes)
    assert text in str(error.value)


def test_an_answer_that_does_not_fit_is_not_taken() -> None:
    prediction = Prediction(**CHOICE, answer=2)
    with pytest.raises(traitlets.TraitError, match="answer is 9"):
        prediction.answer = 9
    assert prediction.answer == 2


def test_texts_are_escaped_and_code_is_marked() -> None:
    text = "`x < y` & <b> and L_CS, not `L_CS`"
    marked = "<code>x &lt; y</code> &amp; &lt;b&gt; and L<sub>CS</sub>, not <code>L_CS</code>"
    assert marked_up(text) == marked


def test_without_javascript_the_answers_are_listed_and_what_is_right_is_folded() -> None:
    page = BeautifulSoup(Prediction(**CHOICE).static_html(), "html.parser")
    assert [item.text for item in page.select(".convsim-fallback > ul > li")] == ["3", "10", "4"]
    folded = page.select_one("details:not([open])")
    assert folded is not None
    assert [item.text for item in folded.select("li")] == [
        "✗ 3. A triangle has.",
        "✗ 10. A decagon has.",
        "✓ 4. One at each <side>.",
    ]
    guess = BeautifulSoup(Prediction(**GUESS).static_html(), "html.parser")
    assert guess.select(".convsim-fallback > ul") == []
    assert guess.select_one("details p").text == "1.41 m. 1.41² is nearly 2."  # type: ignore[union-attr]


def test_a_printed_chapter_ends_with_the_answers_to_its_questions() -> None:
    pieces = [Prediction(**CHOICE).static_html(), "<p>Text</p>", Prediction(**GUESS).static_html()]
    section = BeautifulSoup(answers("".join(pieces)), "html.parser")
    entries = section.select("section.convsim-answers > ol > li")
    assert [entry.find("strong").text for entry in entries] == [  # type: ignore[union-attr]
        CHOICE["question"],
        GUESS["question"],
    ]
    assert "✓ 4. One at each <side>." in entries[0].text
    assert "1.41² is nearly 2." in entries[1].text
    assert answers("<p>Text</p>") == ""


def asked(chapter: Path) -> list[tuple[dict[str, Any], Prediction]]:
    """The cells of a chapter that ask, and what they show."""
    found = []
    for cell in json.loads(chapter.read_text())["cells"]:
        for output in cell.get("outputs", []):
            page = BeautifulSoup(
                "".join(output.get("data", {}).get("text/html", "")), "html.parser"
            )
            for state in page.select("[data-explorer=prediction] > script"):
                prediction = Prediction()
                prediction.set_state(json.loads(state.text))
                found.append((cell, prediction))
    return found


@pytest.mark.parametrize("chapter", listed(), ids=lambda chapter: chapter.stem)
def test_a_chapter_asks_at_least_three_questions_and_gives_no_answer_away(chapter: Path) -> None:
    cells = asked(chapter)
    assert len(cells) >= 3
    assert any(prediction.answers for _, prediction in cells)
    for cell, prediction in cells:
        assert prediction.answer is None
        assert "".join(cell["source"]).count("Prediction(") == 1
        assert cell["metadata"]["tags"] == ["remove-input"]
        assert (
            cell["metadata"]["jupyter"]["source_hidden"] and cell["metadata"]["cellView"] == "form"
        )


def test_no_question_is_asked_twice_and_the_right_answer_has_no_place_of_its_own() -> None:
    found = [prediction for chapter in listed() for _, prediction in asked(chapter)]
    assert len({prediction.question for prediction in found}) == len(found)
    places = [[*p.answers].index(p.right) for p in found if len(p.answers) == 3]
    assert min(places.count(place) for place in range(3)) > len(places) / 5
    for prediction in found:
        spoken = [prediction.explain, *prediction.answers.values()]
        assert all(text.endswith((".", "?")) for text in spoken if text)
        assert all(len(text.split(". ")) <= 3 for text in spoken)
