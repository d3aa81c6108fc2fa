"""Sentences with predictions, as a model's run gives them, for tests that need no model."""

from collections.abc import Sequence

from hypothesis import strategies as st

from ner_plugins.entities import Entity
from ner_plugins.metrics.confusion import assign
from ner_plugins.reports.collect import SentenceResult

# What a page must not take for markup, nor a browser swallow.
HOSTILE = [
    *("<script>alert(1)</script>", "\"'><img src=x onerror=alert(2)>", "&lt;", "]]>", "</style>", "$title"),
    *("\u202eabc", "a\x00b\x1b", "\ud800"),
]


def result(
    text: str, predicted: Sequence[Entity], gold: Sequence[Entity], source: str = "made:1", id: int | str | None = None
) -> SentenceResult:
    return SentenceResult(text, id, source, sorted(set(predicted)), sorted(set(gold)), assign(predicted, gold), [])


@st.composite
def results(draw: st.DrawFn, types: Sequence[str] = ("PER", "LOC", "기관"), most: int = 6) -> SentenceResult:
    text = "".join(draw(st.lists(st.sampled_from([*"青禾银行的ab 은행\n🐼", *HOSTILE]), min_size=1, max_size=12)))

    def entities() -> list[Entity]:
        found = []
        for _ in range(draw(st.integers(0, most))):
            start = draw(st.integers(0, len(text) - 1))
            end = draw(st.integers(start + 1, min(len(text), start + 6)))
            score = draw(st.integers(0, 20)) / 20
            found.append(Entity(start, end, draw(st.sampled_from(types)), score))
        return found

    return result(text, entities(), entities())
