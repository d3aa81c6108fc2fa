"""Training an archive's model further on entity types that it does not have: the option `new_types`."""

import inspect
from typing import Any, Literal, Optional

from ner_plugins.compat.replace import replace
from ner_plugins.entities import ENTITY_NAMESPACE
from ner_plugins.errors import ConfigError

NewTypes = Literal["extend", "replace"]


def offer_new_types() -> None:
    """
    AllenNLP 2.10.1 trains an archive's model further (`from_archive`) with the labels that it has, and no others.

    Here `from_archive` has the option `new_types` for models of this package. `extend` adds the types of the new data
    to those of the archive: the head keeps what it has learnt, and only what belongs to a new type starts anew.
    `replace` gives the learnt encoder a new head, for the types of the new data alone.
    """
    from allennlp.data import Vocabulary
    from allennlp.models.model import Model

    def with_new_types(original: Any) -> Any:
        def from_archive(
            cls: Any, archive_file: str, vocab: Optional[Vocabulary] = None, new_types: Optional[NewTypes] = None
        ) -> Model:
            if new_types is None:
                model: Model = original(cls, archive_file, vocab)
                return model
            return _with_types_of(original(cls, archive_file), vocab, new_types)

        from_archive.__signature__ = inspect.signature(from_archive)  # type: ignore[attr-defined]
        return from_archive

    replace(Model, "from_archive", with_new_types)


def _with_types_of(model: Any, vocab: Any, new_types: NewTypes) -> Any:
    """`model` with the tokens and the entity types of `vocab`."""
    if not hasattr(model, "change_types"):
        raise ConfigError(
            f"model.new_types is for models of ner_plugins, and the archive's is a {type(model).__name__}: remove it"
        )
    if vocab is None:
        raise ConfigError("new_types needs the vocabulary of the new data: give `vocab`")
    extend_vocabulary(model.vocab, vocab, new_types)
    model.change_types(keep=new_types == "extend")
    model.extend_embedder_vocab()
    return model


def extend_vocabulary(trained: Any, new: Any, new_types: Optional[NewTypes]) -> None:
    """
    Extend an archive's vocabulary by that of new data, in place. What it holds keeps its ids, but for the entity types
    with `new_types: "replace"`, which become those of the new data.

    # Parameters

    trained, new : `Vocabulary`
    new_types : `Optional[NewTypes]`
        The option of `from_archive`.
    """
    if new_types == "replace":
        for names in (trained._token_to_index, trained._index_to_token):
            names.pop(ENTITY_NAMESPACE, None)
    trained.extend_from_vocab(new)


def with_new_types(model: dict[str, Any], new_types: Optional[NewTypes]) -> dict[str, Any]:
    """
    The configuration of an archive's model after training it further. With `replace` it has no thresholds and no loss
    weights of single types, which were found for the head that is replaced.

    # Parameters

    model : `dict[str, Any]`
        Of the archive.
    new_types : `Optional[NewTypes]`
        The option of `from_archive`.
    """
    if new_types != "replace":
        return model
    by_type = isinstance(model.get("thresholds"), dict)
    return {key: _without_weights(value) for key, value in model.items() if not (by_type and key == "thresholds")}


def _without_weights(config: Any) -> Any:
    """A part of a model's config without the losses' `type_weights` of single types."""
    if isinstance(config, list):
        return [_without_weights(entry) for entry in config]
    if not isinstance(config, dict):
        return config
    kept = {key: value for key, value in config.items() if key != "type_weights" or not isinstance(value, dict)}
    return {key: _without_weights(value) for key, value in kept.items()}
