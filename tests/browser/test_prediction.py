"""Questions in a browser: answered by hand and by keyboard, kept in links, printed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from convsim.explorers import CorrelationExplorer, Prediction
from tests.browser.explorer_pages import (
    Facts,
    assert_quiet,
    largest,
    readout,
    show_live,
    write_page,
)

STYLE = Path(__file__).resolve().parents[2] / "book/static/paper.css"
CHOICE: dict[str, Any] = {
    "question": "How many sides has a square?",
    "answers": {"3": "A triangle has.", "10": "A decagon has `len(sides)` of them.", "4": "Yes."},
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
LONG: dict[str, Any] = {
    "question": f"What is{' very' * 40} long?",
    "answers": {"An answer" * 9: "So it is.", "`code_that_is_long()`" * 2 + " is": "Not so."},
    "right": "An answer" * 9,
}


def random_explorer(rng: random.Random, number: int) -> Prediction:
    if number % 2:
        low, value, high = sorted(rng.uniform(-1e3, 1e3) for _ in range(3))
        answer = rng.choice((None, rng.uniform(low, high)))
        traits = {"low": low, "high": high, "value": value, "answer": answer}
        return Prediction("How much?", explain="So much.", **traits)
    answers = {str(n): f"{n} of them." for n in range(rng.randint(2, 4))}
    answer = rng.choice((None, *range(1, len(answers) + 1)))
    return Prediction("How many?", answers, right=rng.choice([*answers]), answer=answer)


FACTS = Facts(
    random=random_explorer,
    slider=(".convsim-guess", "off"),
    slowest=lambda: Prediction(**GUESS, answer=1),
    pictures=0,
    light=True,
    scale=lambda name, value, readouts: 1.0 if name == "right" else largest(value),
    widest=lambda: [Prediction(**LONG, answer=2), Prediction(**GUESS, answer=2)],
)


def test_a_wrong_answer_explains_itself_and_the_right_one(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, Prediction(**CHOICE)))
    said, question = (
        page.locator(".convsim-feedback"),
        page.get_by_role("group", name=CHOICE["question"]),
    )
    expect(said).to_be_empty()
    assert "right" not in question.inner_text()
    question.get_by_role("radio", name="10").click()
    expect(said.locator("p")).to_have_text(
        ["Not so. A decagon has len(sides) of them.", "The right answer: 4. Yes."]
    )
    expect(said.locator("code")).to_have_text("len(sides)")
    expect(question.locator("label")).to_have_text(["3", "10✗ not so", "4✓ right"])
    question.get_by_role("radio", name="4").click()
    expect(said.locator("p")).to_have_text(["Right. Yes."])
    expect(question.locator("label")).to_have_text(["3", "10", "4✓ right"])
    assert_quiet(page)


def test_the_keyboard_sees_every_answer_before_it_gives_one(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, Prediction(**CHOICE)))
    said, radios = page.locator(".convsim-feedback"), page.get_by_role("radio")
    page.keyboard.press("Tab")
    for key, at in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowDown", 0), ("ArrowUp", 2)):
        page.keyboard.press(key)
        expect(radios.nth(at)).to_be_focused()
    expect(said).to_be_empty()
    page.keyboard.press("Space")
    expect(radios.nth(2)).to_be_checked()
    expect(said).to_have_text("Right. Yes.")
    assert_quiet(page)


def test_a_guess_meets_the_number_when_it_is_revealed(page: Page, tmp_path: Path) -> None:
    page.goto(write_page(tmp_path, Prediction(**GUESS)))
    said, bar = page.locator(".convsim-feedback"), page.get_by_role("slider", name="Your guess")
    expect(bar).to_have_attribute("aria-valuetext", "0 m")  # an empty bar suggests nothing
    bar.press("ArrowRight")
    expect(bar).to_have_attribute("aria-valuetext", "0.02 m")
    expect(said).to_be_empty()
    page.get_by_role("button", name="Reveal").press("Enter")
    expect(said.locator("p")).to_have_text(["It is 1.41 m.", "1.41² is nearly 2."])
    expect(bar).to_be_focused()
    expect(bar).to_have_attribute("aria-valuetext", "0.02 m, 1.39 m too low")
    assert readout(page, "off") == pytest.approx(-1.39)
    expect(page.get_by_role("button", name="Reveal")).to_be_hidden()
    ends = page.locator(".convsim-guess, .convsim-truth").evaluate_all(
        "(all) => all.map((e) => [e.getBoundingClientRect().width, getComputedStyle(e)"
        ".getPropertyValue('--convsim-to')])"
    )
    assert ends[0][0] == ends[1][0]  # both bars on one scale
    assert [float(share) for _, share in ends] == pytest.approx([0.01, 0.705])
    bar.fill("71")
    expect(page.locator("[data-readout=off]")).to_have_text("0.01 m too high")
    assert_quiet(page)


def test_the_address_of_the_page_and_every_link_keep_the_answers(
    page: Page, tmp_path: Path
) -> None:
    url = write_page(tmp_path, Prediction(**CHOICE), CorrelationExplorer(), Prediction(**GUESS))
    page.goto(url)
    link = page.locator(".convsim-link")
    expect(link).to_have_count(1)
    page.get_by_role("radio", name="10").click()
    assert page.url == f"{url}#convsim=q0&answer=2"
    page.get_by_role("slider", name="Your guess").fill("75")
    assert "q1" not in page.url + link.input_value()  # a bar that moves is no answer yet
    page.get_by_role("button", name="Reveal").click()
    assert page.url == f"{url}#convsim=q1&answer=1.5&convsim=q0&answer=2"
    copied = link.input_value()
    assert copied.startswith(f"{url}#convsim=0&signal=")
    assert copied.endswith("&convsim=q0&answer=2&convsim=q1&answer=1.5")
    for address in (page.url, copied):
        page.goto("about:blank")
        page.goto(address)
        expect(page.get_by_role("radio", name="10")).to_be_checked()
        expect(page.locator(".convsim-feedback").first).to_contain_text("Not so. A decagon")
        expect(page.locator("[data-readout=off]")).to_have_text("0.09 m too high")
    assert_quiet(page)


@pytest.mark.parametrize("answer", ["4", "0", "1.5", "x", "", "null"])
def test_a_mangled_link_gives_no_answer(page: Page, tmp_path: Path, answer: str) -> None:
    page.goto(f"{write_page(tmp_path, Prediction(**CHOICE))}#convsim=q0&answer={answer}")
    expect(page.locator(".convsim-feedback")).to_be_empty()
    expect(page.get_by_text("This link cannot be read.")).to_be_visible()
    assert page.locator(":checked").count() == 0
    page.get_by_role("radio").first.click()
    expect(page.get_by_text("This link cannot be read.")).to_be_hidden()
    assert_quiet(page)


def test_paper_has_the_answers_to_tick_and_does_not_say_which(page: Page, tmp_path: Path) -> None:
    style = f"<style>@media print {{ {STYLE.read_text()} }}</style>"
    explorers = Prediction(**CHOICE, answer=2), Prediction(**GUESS, answer=1)
    page.goto(write_page(tmp_path, *explorers, head=style))
    page.emulate_media(media="print")
    text = page.locator("body").inner_text()
    for wanted in ("3", "10", "4", CHOICE["question"], GUESS["question"], "0 m", "2.00 m"):
        assert wanted in text
    for hidden in ("not so", "✓", "A decagon", "1.41", "too low", "Your guess"):
        assert hidden not in text
    boxes = page.locator("label").evaluate_all(
        "(all) => all.map((e) => getComputedStyle(e, '::before').content)"
    )
    assert boxes == ['"☐"'] * 3
    assert page.locator("input:visible").count() == 0


def test_the_live_view_answers_to_python(page: Page, tmp_path: Path) -> None:
    show_live(page, tmp_path, Prediction(**CHOICE))
    page.get_by_role("radio", name="3").click()
    assert page.evaluate("model.calls") == [["set", "answer", 1], ["save_changes"]]
    page.evaluate("model.receive({ answer: 3 })")
    expect(page.locator(".convsim-feedback")).to_have_text("Right. Yes.")
    page.evaluate("model.receive({ answer: null })")
    expect(page.locator(".convsim-feedback")).to_be_empty()
    assert page.locator(":checked").count() == 0
    assert page.locator("input:not([type=radio])").count() == 0  # no constructor call with texts
    page.evaluate("dispose()")
    assert page.evaluate("model.count()") == 0
    assert_quiet(page)
