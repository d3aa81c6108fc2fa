import json
from pathlib import Path

import pytest
import torch
from loaded_scripts import load_script

from ner_plugins.lexicon import WordLexicon
from ner_plugins.lexicon.word_files import WordFile

ROOT = Path(__file__).resolve().parents[2]
LEXICON = ROOT / "fixtures" / "lexicon"
FILES = ("words.txt", "words.vec", "words.bin", "characters.vec")


@pytest.fixture(scope="module")
def script():
    return load_script("make_lexicon")


def test_the_bundled_files_are_what_it_writes(script, tmp_path):
    script.main(["--output-dir", str(tmp_path)])
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (LEXICON / name).read_bytes(), name
    readme = (LEXICON / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in FILES)
    numbers = {name: sum(1 for _ in WordFile(str(LEXICON / name)).entries()) for name in FILES}
    assert f"{numbers['words.txt']:,} words" in readme and f"{numbers['characters.vec']:,} characters" in readme


def test_the_sample_is_covered():
    texts = []
    for split in ("train", "dev", "test"):
        lines = (ROOT / "fixtures" / "sample" / f"{split}.json").read_text(encoding="utf-8").splitlines()
        texts += [json.loads(line)["text"] for line in lines]
    characters = {word for _, word, _ in WordFile(str(LEXICON / "characters.vec")).entries()}
    assert {c for text in texts for c in text if not c.isspace()} == characters
    lexicon = WordLexicon(str(LEXICON / "words.vec"))
    matches = [len(lexicon.match(text)) for text in texts]
    assert sum(map(bool, matches)) > 0.98 * len(texts) and sum(matches) / len(texts) > 4


def test_words_of_a_list_lie_near_each_other(script):
    words, of_word = [], {}
    for _, word, vector in WordFile(str(LEXICON / "words.vec")).entries(lambda word: True):
        words.append(word)
        of_word[word] = torch.nn.functional.normalize(torch.from_numpy(vector), dim=0)
    lists = [[word for word in words_of if word in of_word] for words_of in script.word_lists().values()]
    for near in (words_of for words_of in lists if len(words_of) >= 5):
        inside = torch.stack([of_word[word] for word in near])
        outside = torch.stack([of_word[word] for word in words if word not in near])
        assert (inside @ inside.T).mean() > (inside @ outside.T).mean() + 0.3
