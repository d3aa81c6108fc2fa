"""The lexicon `ner_lexicon`: the words of a file, matched by an Aho-Corasick automaton."""

import json
import os
import re
import zlib
from array import array
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Sequence, Union

from ner_plugins.archives.assets import Assets, is_loading
from ner_plugins.errors import ArchiveError, ConfigError, DataError, shown
from ner_plugins.files.json_files import parsed_json
from ner_plugins.lexicon.lexicon import Lexicon, Match
from ner_plugins.lexicon.normalisation import Normalisation, NormalisationKind
from ner_plugins.lexicon.word_files import WordFile
from ner_plugins.lexicon.word_layout import WordFormat
from ner_plugins.lexicon.word_tally import WordTally
from ner_plugins.visible import shortened

ASSET = "lexicon"
_WORDS, _SETTINGS = "words.txt", "settings.json"
_KEY = "dataset_reader.lexicon"
_SURROGATE = re.compile("[\ud800-\udfff]")

Folder = Union[str, "os.PathLike[str]"]


@Lexicon.register("ner_lexicon")
class WordLexicon(Lexicon):
    """
    The words of a file: a word list (one per line), a jieba dictionary (`word freq pos`), or the words of word2vec
    vectors, text or binary; each may be compressed. Blank lines are skipped. Duplicates are dropped, and logged.

    In training the lexicon is saved to `ner_assets/`, so that archives contain it. When a trained model is loaded, the
    lexicon is read from there, and `path` is only its label.

    A model learns nothing from words that are neither in the vocabulary nor have a pretrained vector: see
    `WordEmbedding`.

    Registered as a `Lexicon` with name "ner_lexicon", the default.

    # Parameters

    path : `str`
        `PATH[!MEMBER]`: a file, one in an archive, or a URL.
    format : `Optional[WordFormat]`, optional (default=`None`)
        `words`, `jieba`, `word2vec_text` or `word2vec_binary`. `None`: detected from the file (see `layout_of`).
    min_length : `int`, optional (default=`2`)
        Shorter words, in characters, are left out. 2 as published, because single characters are tokens anyway.
    max_length : `Optional[int]`, optional (default=`None`)
        Longer words are left out.
    normalize : `Optional[list[NormalisationKind]]`, optional (default=`["full_width"]`)
        `full_width` and `digits`, applied to words and texts: see `Normalisation`.
    only_seen : `bool`, optional (default=`False`)
        Leave out words that are not in the vocabulary. To restrict the lexicon to words of the training set, build the
        vocabulary from that alone: `datasets_for_vocab_creation: ["train"]`.
    serialization_dir : `Optional[str]`, optional (default=`None`)
        Supplied by AllenNLP.

    # Raises

    `DataError` if the file cannot be read or has no word of such a length. `ConfigError` for wrong options, and if the
    run's directory holds another lexicon. `ArchiveError` if a trained model is being loaded and its archive does not
    contain this lexicon.
    """

    def __init__(
        self,
        path: str,
        format: Optional[WordFormat] = None,
        min_length: int = 2,
        max_length: Optional[int] = None,
        normalize: Optional[list[NormalisationKind]] = None,
        only_seen: bool = False,
        serialization_dir: Optional[Folder] = None,
    ) -> None:
        if min_length < 1 or (max_length is not None and max_length < min_length):
            raise ConfigError(
                f"{_KEY}: min_length {min_length} and max_length {max_length} allow no word: use 1 <= min_length <= "
                "max_length"
            )
        self._normalisation = Normalisation.of(["full_width"] if normalize is None else normalize)
        self.only_seen = only_seen
        self._automaton: Optional[Any] = None
        self._lengths = array("i")
        settings = {
            "path": str(path),
            "format": format,
            "min_length": min_length,
            "max_length": max_length,
            "normalize": list(self._normalisation.kinds),
            "only_seen": only_seen,
        }
        if is_loading():
            self._words = _archived_words(serialization_dir, settings)
        else:
            self._words = self._read(str(path), format, min_length, max_length)
            if serialization_dir is not None:
                _save(Assets(serialization_dir), self._words, settings)

    @property
    def words(self) -> Sequence[str]:
        """The normalised words in the order of the file."""
        return self._words

    def normalize(self, text: str) -> str:
        """Normalise a text, or a word of another file, for comparison with the words. The length stays the same."""
        return self._normalisation(text)

    def match(self, text: str) -> list[Match]:
        """
        Find every occurrence of every word in a text, in one pass over it (Aho and Corasick 1975).

        # Parameters

        text : `str`

        # Returns

        `list[Match]`
            Half-open characters of `text` and the word's index in `words`, ordered by start, then by length.
        """
        automaton, lengths = self._automaton, self._lengths
        if automaton is None:
            automaton, lengths = self._build()
        letters = _letters(self._normalisation(text))
        # A character is two bytes, so a match that ends at the first of them is spurious.
        found = [(last // 2 + 1, word) for last, word in automaton.iter(letters) if last % 2]
        if len(letters) != 2 * len(text):
            ends = _ends(text)
            found = [(ends[end - 1], word) for end, word in found]
        return sorted([(end - lengths[word], end, word) for end, word in found])

    def __len__(self) -> int:
        return len(self._words)

    def __getstate__(self) -> dict[str, Any]:
        # Workers build the automaton when they need it; most never do.
        return {**self.__dict__, "_automaton": None, "_lengths": array("i"), "_words": "\n".join(self._words)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _words=state["_words"].split("\n"))

    def _build(self) -> tuple[Any, "array[int]"]:
        import ahocorasick

        automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        for place, word in enumerate(self._words):
            automaton.add_word(_letters(word), place)
        automaton.make_automaton()
        self._lengths = array("i", map(len, self._words))
        self._automaton = automaton
        return automaton, self._lengths

    def _read(self, path: str, format: Optional[WordFormat], min_length: int, max_length: Optional[int]) -> list[str]:
        file = WordFile(path, format)
        tally = WordTally(path, "word" if file.format == "word2vec_binary" else "line")
        words: dict[str, None] = {}
        other = 0
        for place, word, _ in file.entries():
            if len(word) < min_length or (max_length is not None and len(word) > max_length):
                other += 1
            elif (normal := self._normalisation(word)) in words:
                tally.add("given before", place, word)
            else:
                words[normal] = None
        tally.log()
        if not words:
            most = "" if max_length is None else f" and at most {max_length}"
            raise DataError(
                f"no word of at least {min_length}{most} characters ({other:,} others)",
                path=path,
                expected=f"a file with words (it was read as {file.format})",
                remedy=f"Check the file, {_KEY}.format, min_length and max_length",
            )
        return list(words)


def _letters(text: str) -> str:
    """
    The bytes of a text in UTF-16, which the automaton reads. It searches a node's successors one by one, and with
    characters the root would have thousands of them.
    """
    try:
        return text.encode("utf-16-be").decode("latin-1")
    except UnicodeEncodeError:  # a lone surrogate, which occurs in no word
        return _SURROGATE.sub("\uffff", text).encode("utf-16-be").decode("latin-1")


def _ends(text: str) -> list[int]:
    """For each UTF-16 code unit the index of its character, plus 1."""
    return [end for end, character in enumerate(text, 1) for _ in range(2 if character > "\uffff" else 1)]


class SavedLexicon(NamedTuple):
    """
    The lexicon that is saved in a run's directory.

    # Parameters

    words : `list[str]`
        The words in the order of their ids.
    normalize : `Callable[[str], str]`
        The normalisation of words and texts.
    only_seen : `bool`
        See `WordLexicon`.
    """

    words: list[str]
    normalize: Callable[[str], str]
    only_seen: bool


def saved_lexicon(serialization_dir: Folder) -> Optional[SavedLexicon]:
    """The lexicon that the dataset reader of a run saved; `None` if there is none."""
    assets = Assets(serialization_dir)
    if not assets.folder(ASSET).is_dir():
        return None
    words, settings = _load(assets)
    return SavedLexicon(words, Normalisation(tuple(settings["normalize"])), settings["only_seen"])


def _save(assets: Assets, words: list[str], settings: dict[str, Any]) -> None:
    text = "\n".join(words)
    settings = {**settings, "words": len(words), "crc32": zlib.crc32(text.encode())}

    def write(folder: Path) -> None:
        (folder / _WORDS).write_bytes(text.encode())
        (folder / _SETTINGS).write_text(json.dumps(settings, ensure_ascii=False, indent=1), encoding="utf-8")

    if assets.folder(ASSET).is_dir():
        # Ids are indices into the lexicon: with another lexicon, words would get the vectors of other words.
        _, saved = _load(assets)
        changed = [key for key in settings if saved.get(key) != settings[key]]
        if changed:
            raise ConfigError(
                f"{_KEY}: {assets.folder(ASSET)} holds another lexicon (they differ in {', '.join(changed)}). A "
                "run has one lexicon, the same in all its readers: use another -s, or the lexicon of the first run"
            )
    assets.save_folder(ASSET, write)


def _archived_words(serialization_dir: Optional[Folder], settings: dict[str, Any]) -> list[str]:
    what = f"the lexicon {shortened(repr(settings['path']), 300)}"
    if serialization_dir is None:
        raise ArchiveError(f"{_KEY}: {what} can only be read from an archive, and no serialization_dir was given")
    assets = Assets(serialization_dir)
    assets.require(ASSET, what)
    words, saved = _load(assets)
    for key, value in settings.items():
        if saved.get(key) != value:
            raise ArchiveError(
                f"{assets.folder(ASSET)}: the archive's lexicon has {key} {shown(saved.get(key))}, not {shown(value)}. "
                f"Load it with the configuration it was trained with (no override of {_KEY}.{key}), or retrain"
            )
    return words


def _load(assets: Assets) -> tuple[list[str], dict[str, Any]]:
    """The words and settings of the saved lexicon."""
    folder = assets.folder(ASSET)
    try:
        settings = parsed_json((folder / _SETTINGS).read_bytes())
        text = (folder / _WORDS).read_bytes()
        if zlib.crc32(text) != settings["crc32"]:
            raise ValueError("its words are not the saved ones")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{folder}: the lexicon is damaged ({error}). Copy the archive again, or retrain") from error
    return text.decode("utf-8").split("\n"), settings
