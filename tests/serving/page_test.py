"""The page in a real browser: marking, options, files, languages, keyboard, and nothing from elsewhere."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import chromium
from served_models import Letters, Served, served

from ner_plugins.serving import Limits

# A text as it is shown, without the labels of its marks, as `textContent` or `innerHTML`.
SHOWN = """(p, kind) => {
  const copy = p.cloneNode(true);
  copy.querySelectorAll('.label').forEach(label => label.remove());
  return copy[kind];
}"""
FOCUS = "document.activeElement.id || document.activeElement.value || document.activeElement.href"
HOSTILE = '<img src=x onerror="document.title=1">A & <b>B</b><script>document.title=2</script>'


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(Letters(), Letters(), limits=Limits(max_texts=50)) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def context(browser: Any) -> Any:
    return browser.new_context(locale="en-US", accept_downloads=True)


@pytest.fixture
def page(context: Any, server: Served) -> Iterator[Any]:
    """A new page that is ready; it may neither fetch from elsewhere nor report an error."""
    one = context.new_page()
    one.set_viewport_size({"width": 1280, "height": 900})
    asked: list[str] = []
    errors: list[str] = []
    one.on("request", lambda request: asked.append(request.url))
    one.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    one.on("pageerror", lambda error: errors.append(str(error)))
    one.goto(server.url)
    one.wait_for_selector("#types .chip")
    yield one
    one.evaluate("localStorage.clear()")
    one.close()
    assert all(url.startswith((server.url, "blob:", "data:")) for url in asked)
    assert errors == []


def ask(page: Any, text: str) -> None:
    page.fill("#text", text)
    page.click("#go")
    page.wait_for_function("text => document.querySelector('#columns .text')?.textContent.includes(text)",
                           arg=text.splitlines()[0][:1])  # fmt: skip


def marks(page: Any, column: int = 0) -> list[list[str]]:
    """Each mark's own text, type and score, in order of the page."""
    return page.evaluate(
        """column => [...document.querySelectorAll('#columns article')[column].querySelectorAll('mark')].map(mark => {
             const copy = mark.cloneNode(true);
             const label = [...copy.children].filter(child => child.className === 'label').pop();
             const said = label ? label.textContent.trim() : '';
             copy.querySelectorAll('.label').forEach(one => one.remove());
             return [copy.textContent, said];
           })""",
        column,
    )


def test_entities_are_marked_with_types_and_scores_in_both_models_answers(page: Any) -> None:
    ask(page, "刘 A 😀 Zb\nxy E")
    for column in (0, 1):
        assert marks(page, column) == [["A", "VOWEL 0.04"], ["Z", "OTHER 1.00"], ["E", "VOWEL 0.19"]]
    assert page.locator("#columns article h3").all_inner_texts() == ["letters", "others"]
    assert page.locator("#status").inner_text().startswith("6 entities in 2 texts")
    assert page.locator("#columns article").first.locator("p.text").count() == 2
    page.locator("summary").first.click()
    cells = page.locator("#columns article").first.locator("tbody tr").first.locator("td").all_inner_texts()
    assert [cell.strip() for cell in cells] == ["A", "VOWEL", "2–3", "0.0385"]
    boxes = [page.locator("#columns article").nth(column).bounding_box() for column in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]


def test_nested_and_crossing_entities(page: Any) -> None:
    ask(page, "xABCx")
    shown = page.locator("#columns article").first.locator("p.text").evaluate(SHOWN, "innerHTML")
    inside = '<mark|c1"><mark|c2">A</mark><mark|c1 open"><mark|c0">B</mark></mark></mark>'  # BC begins in AB …
    assert shown.replace(' class="', "|") == f'x{inside}<mark|c1"><mark|c0">C</mark></mark>x'  # … and goes on after it


def test_what_is_written_is_never_markup(page: Any) -> None:
    ask(page, HOSTILE)
    shown = page.locator("#columns article").first.locator("p.text")
    assert shown.evaluate(SHOWN, "textContent") == HOSTILE
    assert page.locator("#columns img, #columns script, #columns b").count() == 0
    assert page.title() == "Named entities"


def test_the_slider_asks_again_and_types_are_hidden_at_once(page: Any) -> None:
    ask(page, "A M Z")
    assert len(marks(page)) == 3
    page.locator("#threshold").focus()
    with page.expect_response("**/predict") as response:
        page.keyboard.press("ArrowRight")
    assert json.loads(response.value.request.post_data)["thresholds"] == 0.51
    page.wait_for_function("() => document.querySelectorAll('#columns article:first-child mark').length === 1")
    assert marks(page) == [["Z", "OTHER 1.00"]] and not page.is_checked("#own")
    with page.expect_response("**/predict"):
        page.check("#own")
    page.wait_for_function("() => document.querySelectorAll('#columns article:first-child mark').length === 3")
    page.locator("#types .chip", has_text="OTHER").click()
    assert marks(page) == [["A", "VOWEL 0.04"]]
    page.locator("#models .chip", has_text="others").click()
    page.wait_for_function("() => document.querySelectorAll('#columns article').length === 1")


def test_it_works_with_the_keyboard_alone(page: Any) -> None:
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUS))
        if page.evaluate("document.activeElement.id") == "text":
            break
    assert "results" in seen[0] and "language" in seen and "theme" in seen
    page.keyboard.type("Ab")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("mark")
    for wanted in ("lines", "letters", "others", "own", "threshold", "go"):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS) == wanted
        outline = page.evaluate("(e => getComputedStyle(e.closest('.chip') ?? e).outlineStyle)(document.activeElement)")
        assert outline == "solid"


def test_every_control_has_a_name_and_changes_are_announced(page: Any) -> None:
    ask(page, "A")
    nameless = page.evaluate(
        """[...document.querySelectorAll('input, select, textarea, button, output, progress')]
             .filter(e => !e.labels?.length && !e.getAttribute('aria-label') && !e.textContent.trim())
             .map(e => e.outerHTML)"""
    )
    assert nameless == []
    assert page.locator("[role=status]").count() == 2 and page.locator("[role=alert]").count() == 1
    assert page.locator("h1").count() == 1 and page.locator("main").count() == 1
    named_by = page.locator("article").evaluate_all("all => all.map(one => one.getAttribute('aria-labelledby'))")
    assert [page.inner_text(f"#{name}") for name in named_by] == ["letters", "others"]


# The contrast of the text of every element with text, against the nearest background, by WCAG 2's formula.
CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = colour => [.2126, .7152, .0722].reduce((sum, part, i) => sum + part * linear(colour[i] / 255), 0);
  const behind = e => { for (; e; e = e.parentElement) {
    const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; }
    return rgba('white'); };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || e.disabled || e.closest('.unseen, .skip, option')) continue;
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))];
    found.push([(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.outerHTML.slice(0, 80)]);
  }
  return found;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(page: Any, theme: str) -> None:
    page.select_option("#theme", theme)
    ask(page, "A BC刘")
    page.locator("summary").first.click()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(18, 20, 27)") == (theme == "dark")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 30 and min(contrasts)[0] >= 4.5, min(contrasts)
    keep(page, theme)


@pytest.mark.parametrize("language, word", [("zh", "识别实体"), ("ko", "개체명 찾기"), ("en", "Find entities")])
def test_three_languages(page: Any, language: str, word: str) -> None:
    page.select_option("#language", language)
    assert page.inner_text("#go") == word and page.evaluate("document.documentElement.lang") == language
    page.click("#sample")
    page.click("#go")
    page.wait_for_selector("#columns article")
    keep(page, language)
    left = page.evaluate(
        """() => import('/page/words.js').then(({WORDS}) => {
             const keys = language => Object.keys(WORDS[language]).sort().join();
             return [keys('en') === keys('zh') && keys('en') === keys('ko'),
               [...document.querySelectorAll('[data-word]')].filter(e => !(e.dataset.word in WORDS.en)).length];
           })"""
    )
    assert left == [True, 0]
    page.reload()
    page.wait_for_selector("#types .chip")
    assert page.inner_text("#go") == word  # it is remembered


def test_the_language_is_the_browsers(browser: Any, server: Served) -> None:
    for locale, word in (("ko-KR", "개체명 찾기"), ("zh-TW", "识别实体"), ("fr-FR", "Find entities")):
        context = browser.new_context(locale=locale)
        one = context.new_page()
        one.goto(server.url)
        assert one.inner_text("#go") == word
        context.close()


def test_a_narrow_page_does_not_scroll_sideways(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    ask(page, "A BC " + "x" * 300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    keep(page, "narrow")


def test_a_file_is_answered_line_by_line(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{number}A刘\n" for number in range(450)) + "\n\nlast!\r\nB", encoding="utf-8")
    page.set_input_files("#file", path)
    page.select_option("#file-model", "others")
    page.click("#file-go")
    with page.expect_download() as download:
        page.click("#file-save")
    assert download.value.suggested_filename == "texts.entities.jsonl"
    lines = [json.loads(line) for line in Path(download.value.path()).read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == [*range(450), 452, 453]
    assert lines[449]["text"] == "449A刘" and lines[449]["entities"][0]["text"] == "A"
    assert lines[450]["line"] == 453 and "ValueError" in lines[450]["error"] and lines[451]["text"] == "B"
    assert page.inner_text("#file-status").startswith("452 lines answered, 1 with an error")
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "A", "id": "x"}\nno JSON\n{"sentence": "B", "more": 1}\n', encoding="utf-8")
    page.set_input_files("#file", path)
    page.click("#file-go")
    with page.expect_download() as download:
        page.click("#file-save")
    lines = [json.loads(line) for line in Path(download.value.path()).read_text(encoding="utf-8").splitlines()]
    assert lines[0]["id"] == "x" and lines[1]["line"] == 2 and (lines[2]["id"], lines[2]["text"]) == (2, "B")
    path.write_bytes("漢字".encode("gbk"))
    page.set_input_files("#file", path)
    page.click("#file-go")
    page.wait_for_function("() => document.querySelector('#file-status').textContent.includes('UTF-8')")


def test_a_dropped_file_is_the_text(page: Any) -> None:
    transfer = page.evaluate_handle(
        "() => { const data = new DataTransfer(); data.items.add(new File(['dropped A'], 'a.txt')); return data; }"
    )
    page.dispatch_event("#text", "drop", {"dataTransfer": transfer})
    page.wait_for_selector("mark")
    assert page.input_value("#text") == "dropped A"
    page.click("#save")


def test_the_page_says_what_the_server_refuses(browser: Any) -> None:
    with served(Letters(), limits=Limits(max_characters=20), token="s3cret") as server:
        context = browser.new_context(locale="en-US")
        one = context.new_page()
        one.goto(server.url)
        one.wait_for_selector("#token:focus")
        one.keyboard.type("s3cret")
        one.keyboard.press("Enter")
        one.wait_for_selector("#types .chip")
        assert not one.is_visible("#token-form") and not one.is_visible("#problem") and not one.is_visible("#models")
        one.fill("#text", "x" * 21)
        one.click("#go")
        one.wait_for_selector("#problem:not([hidden])")
        assert "21 characters; a text may have 20" in one.inner_text("#problem")
        one.fill("#text", "A!")
        one.click("#go")
        one.wait_for_function("() => document.querySelector('#problem').textContent.includes('the model failed')")
        context.close()


def keep(page: Any, name: str) -> None:
    """A screenshot, if a folder for them is named."""
    if folder := os.environ.get("NER_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
