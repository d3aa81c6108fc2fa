import logging
import math

import pytest
import torch

from ner_plugins.errors import ConfigError, DataError
from ner_plugins.lexicon import Normalisation
from ner_plugins.lexicon.word_vectors import initial_table, log_coverage, read_vectors


def vectors_of(tmp_path, words, content, **options):
    path = tmp_path / "v.txt"
    path.write_text(content, encoding="utf-8")
    table, found = read_vectors(str(path), words, 3, "model.dim", **options)
    assert not table[~found].any() and table.dtype == torch.float32
    return [int(row[0]) if known else None for row, known in zip(table, found.tolist(), strict=True)]


def lines(*words):
    return "".join(f"{word} {number} 0 0\n" for number, word in enumerate(words, 1))


def test_each_word_gets_its_own(tmp_path):
    assert vectors_of(tmp_path, ["b", "z", "a"], lines("a", "b", "c")) == [2, None, 1]
    assert vectors_of(tmp_path, [], lines("a")) == []


def test_the_first_of_equal_words_counts(tmp_path):
    assert vectors_of(tmp_path, ["a", "b"], lines("a", "b", "a", "b")) == [1, 2]


def test_other_forms(tmp_path):
    words = ["Ａ", "A", "ａ", "a", "９", "Ｂ", "C"]
    assert vectors_of(tmp_path, words, lines("A", "a", "9", "b")) == [1, 1, 2, 2, 3, 4, None]
    assert vectors_of(tmp_path, words, lines("Ａ", "a")) == [1, 1, 2, 2, None, None, None]


def test_words_that_were_normalised(tmp_path):
    digits = Normalisation(("digits",))
    content = lines("1998年", "2008年", "0000年")
    assert vectors_of(tmp_path, ["0000年"], content, normalize=digits) == [3]
    assert vectors_of(tmp_path, ["0000年"], lines("1998年", "2008年"), normalize=digits) == [1]
    assert vectors_of(tmp_path, ["0000年"], lines("1998年")) == [None]


def test_errors(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text(lines("a"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model\.dim is 4, but .*v\.txt have 3 numbers: set it to that"):
        read_vectors(str(path), ["a"], 4, "model.dim")
    path.write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"the file has no vectors \(it was read as words\)"):
        read_vectors(str(path), ["a"], 3, "model.dim")


def test_what_was_found_is_told(caplog):
    none, some = torch.tensor([False] * 3), torch.tensor([True, False])
    with caplog.at_level(logging.INFO):
        log_coverage("v.txt", "words", some, none)
        log_coverage("v.txt", "tokens (characters)", some)
        log_coverage("v.txt", "words", none)
    assert caplog.messages == [
        "v.txt: vectors of 1 of the 2 different words of the data, and of 0 of the lexicon's 3 others",
        "v.txt: vectors of 1 of the 2 different tokens (characters) of the data",
        "v.txt: none of the 3 words of the data has a vector in it",
    ]
    assert caplog.records[-1].levelname == "WARNING"


@pytest.mark.parametrize("normalize", [False, True])
def test_initial_table(normalize):
    torch.manual_seed(0)
    vectors = torch.zeros(4000, 3)
    found = torch.zeros(4000, dtype=torch.bool)
    found[:2000] = True
    vectors[:2000] = torch.randn(2000, 3) * torch.tensor([0.5, 1.0, 2.0]) + torch.tensor([3.0, 0.0, -1.0])
    table = initial_table(vectors, found, normalize)
    if normalize:
        torch.testing.assert_close(table.norm(dim=1), torch.ones(4000))
        torch.testing.assert_close(table[:2000], vectors[:2000] / vectors[:2000].norm(dim=1, keepdim=True))
    else:
        assert torch.equal(table[:2000], vectors[:2000])
        drawn = table[2000:]
        torch.testing.assert_close(drawn.mean(0), torch.tensor([3.0, 0.0, -1.0]), atol=0.2, rtol=0)
        torch.testing.assert_close(drawn.std(0), torch.tensor([0.5, 1.0, 2.0]), atol=0.1, rtol=0)


def test_initial_table_without_vectors():
    torch.manual_seed(0)
    table = initial_table(torch.zeros(500, 12), torch.zeros(500, dtype=torch.bool), normalize=False)
    bound = math.sqrt(3 / 12)
    assert 0.95 * bound < table.abs().max() <= bound
    torch.testing.assert_close(table.norm(dim=1).mean(), torch.tensor(1.0), atol=0.05, rtol=0)
    assert initial_table(torch.zeros(0, 12), torch.zeros(0, dtype=torch.bool), normalize=True).shape == (0, 12)


def test_one_vector_alone_has_no_spread():
    table = initial_table(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([True, False]), normalize=True)
    torch.testing.assert_close(table, torch.tensor([[0.6, 0.8], [0.6, 0.8]]))
