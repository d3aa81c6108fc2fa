"""The target `spacy`: a folder that `spacy.load` opens."""

from importlib import import_module
from pathlib import Path
from typing import Any, Mapping

from ner_plugins.errors import ConfigError
from ner_plugins.exports.languages import language_of
from ner_plugins.exports.target import ExportOptions, ExportSource
from ner_plugins.tagger import Tagger
from ner_plugins.tagger.archive import ArchiveBackend
from ner_plugins.tokenizers.ner_words import NerWordTokenizer

COMPONENT = "ner_plugins"
CHARACTERS = "ner_plugins.characters"


def export(source: ExportSource, folder: Path, options: ExportOptions) -> Mapping[str, Any]:
    """
    Write a pipeline of one component, with the archive inside.

    Its tokens are characters, so that each entity of the model begins and ends with one; if the model itself reads
    words, they are the words of spaCy's language.

    # Returns

    `Mapping[str, Any]`
        `language`, a code of spaCy; `tokenizer`, `characters` or `words`; `spans_key`; and the version of `spacy`.

    # Raises

    `ConfigError` if spaCy is not installed or does not know the language.
    """
    spacy = import_spacy()
    language = options.language or language_of(source.config) or "xx"
    of_words = isinstance(source.reader.tokenizer, NerWordTokenizer)
    config = {} if of_words else {"nlp": {"tokenizer": {"@tokenizers": CHARACTERS}}}
    try:
        nlp = spacy.blank(language, config=config)
    except ImportError as error:
        raise ConfigError(f"--language {language}: spaCy cannot load this language ({error})") from error
    component = nlp.add_pipe(COMPONENT)
    component.path, component.overrides = source.path, source.overrides
    component.use(Tagger(ArchiveBackend(source.model, source.reader)))
    nlp.meta["name"], nlp.meta["description"] = COMPONENT, "Named entity recognition with a model of ner_plugins"
    nlp.to_disk(folder)
    tokenizer = "words" if of_words else "characters"
    return {"language": language, "tokenizer": tokenizer, "spans_key": component.spans_key, "spacy": spacy.__version__}


def import_spacy() -> Any:
    """
    Import spaCy, and register the component with it.

    # Raises

    `ConfigError` if it is not installed.
    """
    try:
        import_module("spacy.vocab")  # `compat` has a stand-in for spaCy, which lacks it
        import_module("ner_plugins.exports._spacy_factory")
    except ImportError as error:
        raise ConfigError(
            f"--to spacy needs spaCy, which cannot be imported ({error}): pip install 'ner_plugins[spacy]'"
        ) from error
    return import_module("spacy")
