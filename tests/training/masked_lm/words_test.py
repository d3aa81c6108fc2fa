"""Words whose pieces are masked together, against a literal version of forward maximum matching."""

import itertools
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.lexicon.lexicon import Lexicon, Match
from ner_plugins.training.masked_lm.words import SPACE, owners, token_words

WORDS = ["北京", "北京大学", "京大", "大学生", "生活", "学", "서울", "art", "iPhone手机", "a1"]
PARTS = [*WORDS, *"北京大学生活的， 「", "서울에서", "started", "a1b", "\t", "𠀀", "é"]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=12)


class Words(Lexicon):
    """Matches by trying every word at every place."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    @property
    def words(self) -> list[str]:
        return self._words

    def normalize(self, text: str) -> str:
        return text

    def match(self, text: str) -> list[Match]:
        places = itertools.product(range(len(text)), enumerate(self._words))
        return sorted((i, i + len(word), number) for i, (number, word) in places if text.startswith(word, i))


def cut(text: str, lexicon: Optional[Lexicon] = None) -> list[str]:
    """The words of a text, without white space."""
    found = zip(owners(text, lexicon), text, strict=True)
    groups = ((word, "".join(c for _, c in group)) for word, group in itertools.groupby(found, key=lambda p: p[0]))
    return [text for word, text in groups if word != SPACE]


@pytest.mark.parametrize(
    "text, words",
    [
        ("小明在Beijing读书。", ["小", "明", "在", "Beijing", "读", "书", "。"]),
        ("나는 서울에서, 2024년에", ["나는", "서울에서", ",", "2024년에"]),
        ("𠀀豈龥", ["𠀀", "豈", "龥"]),
        ("", []),
        (" \t\n", []),
    ],
)
def test_words_without_a_lexicon(text: str, words: list[str]) -> None:
    assert cut(text) == words


def test_words_of_a_lexicon_are_the_longest_from_the_left() -> None:
    lexicon = Words(WORDS)
    assert cut("北京大学生活的", lexicon) == ["北京大学", "生活", "的"]
    assert cut("started art", lexicon) == ["started", "art"]  # no word within a run of Latin letters
    assert cut("서울에서", lexicon) == ["서울", "에서"]
    assert cut("我的iPhone手机a1b", lexicon) == ["我", "的", "iPhone手机", "a1b"]


@given(TEXTS.map("".join))
def test_forward_maximum_matching(text: str) -> None:
    """At each place the longest allowed word, or else one character, whose neighbours are then joined by the rule."""

    def allowed(place: int) -> bool:
        around = text[max(place - 1, 0) : place + 1]
        return not (0 < place < len(text) and all(c.isascii() and c.isalnum() for c in around))

    pieces, place = [], 0
    while place < len(text):
        ends = [place + len(word) for word in WORDS if text.startswith(word, place) and allowed(place)]
        ends = [end for end in ends if allowed(end)]
        end = max(ends, default=place + 1)
        pieces.append((text[place:end], bool(ends)))
        place = end
    plain = owners(text)
    expected, place, joined = [], 0, False
    for piece, is_word in pieces:
        if not piece.isspace():
            same = place > 0 and plain[place - 1] == plain[place]
            if joined and not is_word and same:
                expected[-1] += piece
            else:
                expected.append(piece)
        joined = not is_word and not piece.isspace()
        place += len(piece)
    assert cut(text, Words(WORDS)) == expected


@given(TEXTS.map("".join), st.data())
def test_a_token_is_in_one_word_and_a_word_is_whole(text: str, data: st.DataObject) -> None:
    of_characters = owners(text, Words(WORDS))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {0, len(text)})
    offsets = [(a, b) for a, b in itertools.pairwise(cuts) if text[a:b].strip()]
    words = token_words(of_characters, offsets)
    assert len(words) == len(offsets) and words == sorted(words) and set(words) == set(range(len(set(words))))
    runs = [list(group) for _, group in itertools.groupby(range(len(text)), key=lambda i: of_characters[i])]
    for run in runs:  # a word that a match cuts in two is two runs
        if of_characters[run[0]] != SPACE:
            assert len({words[t] for t, (a, b) in enumerate(offsets) if a <= run[-1] and b > run[0]}) == 1
    for (t, (_, end)), (u, (start, _)) in itertools.pairwise(enumerate(offsets)):  # and no more than that
        shared = [run for run in runs if run[0] < end and run[-1] >= start and of_characters[run[0]] != SPACE]
        assert (words[t] == words[u]) == bool(shared)


def test_tokens_without_text() -> None:
    assert token_words([], [(0, 0)]) == [0]
    assert token_words([0, 0, 1], [(0, 1), (0, 1), (1, 2), (2, 3), (3, 3)]) == [0, 0, 0, 1, 2]
