import pickle
import sys

import pytest
from allennlp.common import Params
from allennlp.data import DatasetReader

from ner_plugins.errors import ConfigError
from ner_plugins.lexicon import Normalisation

TEXT = "ＡＢｃ０９，２００８年 x7²③🄂𝟘"


@pytest.mark.parametrize(
    "kinds, expected",
    [
        (None, TEXT),
        ([], TEXT),
        (["full_width"], "ABc09，2008年 x7²③🄂𝟘"),
        (["digits"], "ＡＢｃ00，0000年 x00000"),
        (["digits", "full_width"], "ABc00，0000年 x00000"),
    ],
)
def test_text(kinds, expected):
    normalise = Normalisation.of(kinds)
    assert normalise(TEXT) == expected and len(expected) == len(TEXT)
    assert pickle.loads(pickle.dumps(normalise)) == normalise


def test_every_character_is_replaced_by_one():
    for kinds in (["full_width"], ["digits"], ["full_width", "digits"]):
        normalise = Normalisation.of(kinds)
        everything = "".join(map(chr, range(sys.maxunicode + 1)))
        result = normalise(everything)
        assert len(result) == len(everything)
        assert not any(c.isdigit() and c != "0" for c in result) or "digits" not in kinds
        assert normalise(result) == result


@pytest.mark.parametrize(
    "kinds, message",
    [
        ("digits", r'dataset_reader\.lexicon\.normalize is "digits", but has to be a list; .*full_width or digits'),
        (["digit"], r'lexicon\.normalize\.0 is "digit"; it can be full_width or digits\. Did you mean digits\?'),
        (["full_width", "lower"], r'lexicon\.normalize\.1 is "lower"; it can be full_width or digits'),
    ],
)
def test_unknown_kinds(kinds, message):
    params = Params({"type": "cluener", "lexicon": {"path": "x", "normalize": kinds}}, "dataset_reader.")
    with pytest.raises(ConfigError, match=message):
        DatasetReader.from_params(params)
