"""Sentences for hypothesis: Chinese, Korean composed and not, astral characters, and white space of every kind."""

import unicodedata

from hypothesis import strategies as st

from ner_plugins.entities import Entity, Sentence

CHARACTERS = [
    *"青禾银行的林晓彤在望月湖ab,<>:\\/#-{}\"'[]１２",
    *unicodedata.normalize("NFD", "한국은행"),
    *"서울\u00ad\u200b\u200d\ufe0f\u0301\ufffd",
    *"🐼𠮷\U0010ffff",
    *" \t\r\u00a0\u3000\u2028\u2029\u0085\u000b\u000c\u001c\ufeff\u0000\ue000",
]
TYPES = ["PER", "ORG.NAM", "a-b", "B-PER", "기관", "O", "x_y", "#"]


@st.composite
def sentences(
    draw: st.DrawFn, characters: list[str] = CHARACTERS, types: list[str] = TYPES, nested: bool = True, least: int = 0
) -> Sentence:
    text = "".join(draw(st.lists(st.sampled_from(characters), min_size=least, max_size=14)))
    entities: list[Entity] = []
    for _ in range(draw(st.integers(0, 5)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        entity = Entity(start, draw(st.integers(start + 1, len(text))), draw(st.sampled_from(types)))
        if nested or not any(entity.overlaps(other) for other in entities):
            entities.append(entity)
    return Sentence(text, tuple(entities), draw(st.none() | st.integers(0, 99) | st.text("ab1 ", max_size=3)), "made:1")


def gold(sentence: Sentence) -> tuple[str, list[Entity] | None]:
    """What a format has to keep of a sentence."""
    return sentence.text, None if sentence.entities is None else sorted(set(sentence.entities))
