"""The page of an audit in a real browser, opened as a file."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import chromium
from sentence_results import HOSTILE

from ner_plugins.audit.page import audit_page
from ner_plugins.audit.suspects import Suspect
from ner_plugins.data_tools.corrections import Corrections, read_decisions
from ner_plugins.entities import Entity, Sentence
from ner_plugins.files.folds_file import FoldRecord
from ner_plugins.visible import visible

TEXT = "刘🐼燕去了北京大学,林志远在首尔"
NAME, CITY = Entity(0, 3, "name", 0.9), Entity(5, 7, "address", 0.1)
SCHOOL, PERSON, SEOUL = Entity(5, 9, "organization", 0.8), Entity(10, 13, "name", 0.95), Entity(14, 16, "address")
RECORD = FoldRecord(0, 0, TEXT, (NAME, CITY), (), (), file="train.json", line=7)
OTHER = FoldRecord(1, 0, "他在青禾", (Entity(2, 4, "name", 0.02),), (), ())
SUSPECTS = [
    Suspect(RECORD, "missed", 0.95, (), (PERSON,), None, 3),
    Suspect(OTHER, "spurious", 0.9, OTHER.gold, (), 0, None),
    Suspect(RECORD, "boundary", 0.7, (CITY,), (SCHOOL,), 2, 0),
    Suspect(RECORD, "unlabelled", 0.5, (), (SEOUL,), None, 4),
]
TYPES = ["address", "name", "organization"]
DATA = [
    Sentence(TEXT, (NAME, CITY)),
    Sentence("他在青禾", OTHER.gold),
    Sentence("北京大学", (Entity(0, 4, "organization"),)),
]


def write(path: Path, suspects: list[Suspect], types: list[str], about: str = "folds/made") -> str:
    lines = [suspect.to_json(rank) for rank, suspect in enumerate(suspects, 1)]
    path.write_bytes(audit_page(lines, types, about).encode())
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as one:
        yield one


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """Opens pages, which may neither fetch anything nor report an error."""
    context = browser.new_context(locale="en-US", accept_downloads=True, viewport={"width": 1100, "height": 850})
    asked: list[str] = []
    errors: list[str] = []

    def opened(url: str) -> Any:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.wait_for_selector("main:not([hidden])")
        return page

    yield opened
    context.close()
    assert all(url.startswith(("file:", "blob:")) for url in asked) and errors == []


def status(page: Any) -> str:
    return str(page.locator("#status").inner_text())


def saved(page: Any, folder: Path) -> str:
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "decisions.jsonl"
    path = folder / "decisions.jsonl"
    download.value.save_as(path)
    return str(path)


def test_decisions_by_keys_are_kept_saved_and_applied(open_page: Any, tmp_path: Path) -> None:
    url = write(tmp_path / "audit.html", SUSPECTS, TYPES)
    page = open_page(url)
    assert page.locator("#heading").inner_text() == "#1 · missed · 0.95" and status(page) == "1 of 4"
    page.keyboard.press("a")
    assert page.locator("#heading").inner_text() == "#2 · spurious · 0.90" and status(page) == "#1 accepted. 2 of 4"
    page.keyboard.press("a")
    page.keyboard.press("a")
    page.keyboard.press("r")
    assert (
        status(page) == "#4 rejected. 4 of 4" and page.locator("#decision").inner_text() == "Rejected: the labels stay"
    )
    page.keyboard.press("u")
    assert status(page) == "#4: undone. 4 of 4" and page.locator("#counts").inner_text() == "3 of 4 decided"
    page.keyboard.press("k")
    assert page.locator("#decision").inner_text() == "Accepted"
    page.close()

    page = open_page(url)  # the browser kept them: it goes on at the first open one
    assert page.locator("#heading").inner_text() == "#4 · unlabelled here · 0.50"
    path = saved(page, tmp_path)
    corrections = Corrections(read_decisions(path))
    changed = corrections.apply(DATA)
    assert list(changed[0].entities or ()) == [NAME, SCHOOL, PERSON] and changed[1].entities == ()
    assert corrections.outcome.applied == 3
    other = open_page(write(tmp_path / "other.html", SUSPECTS[:1], TYPES))
    assert other.locator("#counts").inner_text() == "0 of 1 decided"  # another audit has its own
    other.close()
    page.evaluate("localStorage.clear()")
    page.reload()
    assert page.locator("#counts").inner_text() == "0 of 4 decided"
    page.set_input_files("#load", path)
    page.wait_for_function("document.querySelector('#counts').textContent.startsWith('3')")
    assert status(page).startswith("3 decisions loaded.")


def test_a_label_is_edited_with_the_mouse(open_page: Any, tmp_path: Path) -> None:
    page = open_page(write(tmp_path / "audit.html", SUSPECTS, TYPES))
    page.keyboard.press("j")
    page.keyboard.press("j")
    box = page.evaluate(
        """() => { // around 北京大, the characters 5 to 8
          const runs = [...document.querySelectorAll('#now span')];
          const range = document.createRange();
          range.setStart(runs.find(run => run.textContent.startsWith('北')).firstChild, 0);
          range.setEnd(runs.find(run => run.textContent.startsWith('大')).firstChild, 1);
          const [first] = range.getClientRects(), last = [...range.getClientRects()].at(-1);
          return [first.left + 1, first.top + first.height / 2, last.right - 1, last.top + last.height / 2];
        }"""
    )
    page.mouse.move(box[0], box[1])
    page.mouse.down()
    page.mouse.move(box[2], box[3], steps=5)
    page.mouse.up()
    assert page.locator("#surface").inner_text() == "北京大"
    assert (page.input_value("#start"), page.input_value("#end")) == ("5", "8")
    page.select_option("#new-type", label="name")
    page.locator("#editor button.primary").click()
    assert status(page).startswith("#3 edited.")
    (decision,) = read_decisions(saved(page, tmp_path))
    assert (decision.verdict, decision.remove, decision.add) == ("edit", (CITY,), (Entity(5, 8, "name"),))


def test_a_label_is_edited_and_removed_with_the_keyboard(open_page: Any, tmp_path: Path) -> None:
    page = open_page(write(tmp_path / "audit.html", SUSPECTS, TYPES))
    page.keyboard.press("e")
    assert page.evaluate("document.activeElement.id") == "start"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.fill("#end", "99")
    assert page.locator("#problem").inner_text().startswith("From must be below To")
    page.keyboard.press("Enter")  # the browser refuses it, too
    assert page.locator("#counts").inner_text() == "0 of 4 decided"
    page.fill("#end", "13")
    page.keyboard.press("Enter")
    assert status(page).startswith("#1 edited.")
    page.keyboard.press("e")
    page.select_option("#new-type", "-1")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    assert page.locator("#editor").is_hidden() and page.evaluate("document.activeElement.id") == "card"
    page.keyboard.press("e")
    page.select_option("#new-type", "-1")
    page.locator("#start").press("Enter")
    first, second = read_decisions(saved(page, tmp_path))
    assert (first.remove, first.add) == ((), (Entity(11, 13, "name"),))
    assert (second.verdict, second.remove, second.add) == ("edit", OTHER.gold, ())


def test_an_edit_replaces_what_it_overlaps_if_told_so(open_page: Any, tmp_path: Path) -> None:
    page = open_page(write(tmp_path / "audit.html", SUSPECTS, TYPES))
    for is_replaced in (True, False):
        page.keyboard.press("e")
        page.fill("#start", "2")
        page.fill("#end", "6")
        page.set_checked("#replace", is_replaced)
        page.locator("#editor button.primary").click()
        page.keyboard.press("k")
        (decision,) = read_decisions(saved(page, tmp_path))
        assert decision.remove == ((NAME, CITY) if is_replaced else ())


def test_filters_and_keys(open_page: Any, tmp_path: Path) -> None:
    page = open_page(write(tmp_path / "audit.html", SUSPECTS, TYPES))
    page.select_option("#kind", "boundary")
    assert page.locator("#heading").inner_text().startswith("#3 ") and status(page) == "1 of 1"
    page.select_option("#kind", "")
    page.select_option("#type", "address")
    assert status(page) == "1 of 2"
    page.select_option("#state", "open")
    page.locator("#card").focus()
    page.keyboard.press("a")
    assert page.locator("#heading").inner_text().startswith("#4 ") and status(page) == "#3 accepted. 1 of 1"
    page.keyboard.press("r")
    assert page.locator("#empty").is_visible() and page.locator("#card").is_hidden()
    page.keyboard.press("u")
    assert page.locator("#heading").inner_text().startswith("#4 ")
    page.set_checked("#keys", False)
    page.locator("#card").focus()
    page.keyboard.press("a")
    assert page.locator("#counts").inner_text() == "1 of 4 decided"


def test_it_is_usable_without_seeing_it(open_page: Any, tmp_path: Path) -> None:
    page = open_page(write(tmp_path / "audit.html", SUSPECTS, TYPES))
    page.keyboard.press("e")
    nameless = page.evaluate(
        """[...document.querySelectorAll('input:not([hidden]), select, button, output')]
             .filter(e => !e.labels?.length && !e.getAttribute('aria-label') && !e.textContent.trim()
               && e.id !== 'surface').map(e => e.outerHTML)"""
    )
    assert nameless == [] and page.locator("[role=status]").count() == 1 and page.locator("[role=alert]").count() == 1
    assert page.locator("h1").count() == 1 and page.locator("main").count() == 1
    page.keyboard.press("Escape")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"language", "kind", "type", "state", "keys", "accept", "reject", "edit", "next"} <= reached


def test_languages_have_the_same_words(open_page: Any, tmp_path: Path) -> None:
    page = open_page(write(tmp_path / "audit.html", SUSPECTS, TYPES))
    keys = page.evaluate("Object.values(WORDS).map(words => [Object.keys(words), Object.keys(words.kinds)])")
    assert len(keys) == 3 and keys[0] == keys[1] == keys[2]
    used = set(page.evaluate("[...document.querySelectorAll('[data-word]')].map(e => e.dataset.word)"))
    assert used <= set(keys[0][0])
    for language, accepted in (("zh", "接受"), ("ko", "수락")):
        page.select_option("#language", language)
        assert page.locator("#accept").inner_text().endswith(accepted)
        assert page.evaluate("document.documentElement.lang") == language
    page.reload()
    assert page.input_value("#language") == "ko"
    if folder := os.environ.get("NER_PICTURES"):
        page.screenshot(path=f"{folder}/audit.png", full_page=True)


def test_hostile_texts_are_shown_and_do_nothing(open_page: Any, tmp_path: Path) -> None:
    suspects, types = [], []
    for number, hostile in enumerate(HOSTILE):
        gold = (Entity(0, 1, hostile or "x", 0.5),)
        text = f"a{hostile}b"
        record = FoldRecord(number, 0, text, gold, (), (), file=hostile, line=1)
        suspects.append(Suspect(record, "type", 0.9, gold, (Entity(1, len(text) - 1, "name", 0.7),)))
        types.append(hostile)
    page = open_page(write(tmp_path / "audit.html", suspects, [*types, "name"], about=HOSTILE[0]))
    for hostile in HOSTILE:
        assert page.locator("#now").evaluate("e => e.textContent") == visible(f"a{hostile}b")
        assert page.locator("#now mark").first.get_attribute("data-label") == visible(hostile)
        page.keyboard.press("a")
    assert page.title() == "Label audit" and page.locator("main img, main script").count() == 0
    found = read_decisions(saved(page, tmp_path))
    assert [one.key for one in found] == [suspect.record.key for suspect in suspects]
    assert [one.gold for one in found] == [suspect.record.gold for suspect in suspects]


def test_the_page_holds_no_address_and_its_scripts_are_named_by_hash() -> None:
    page = audit_page([suspect.to_json(1) for suspect in SUSPECTS[:1]], TYPES, "</title><script>")
    assert not re.search(r"https?:|src=|@import|url\(", page)
    assert "</title><script>" not in page and page.count("<script") == 2
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None and json.loads(data[1])["suspects"][0]["text"] == TEXT and data[1].isascii()
