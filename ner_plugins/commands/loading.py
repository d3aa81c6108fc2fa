"""Loading an archive whose model is one of this package."""

from typing import Optional

from allennlp.models.archival import Archive, load_archive

from ner_plugins.commands.devices import choose_device, has_ner_model
from ner_plugins.errors import ConfigError


def load_ours(
    archive_file: str, cuda_device: Optional[int] = None, overrides: str = "", weights_file: Optional[str] = None
) -> Archive:
    """
    Load an archive, optionally with other weights or options, and move its model to a device (see `choose_device`).

    # Raises

    `ConfigError` if its model is not a `NerModel`, and whatever loading raises.
    """
    archive = load_archive(archive_file, overrides=overrides, weights_file=weights_file)
    if not has_ner_model(archive):
        raise ConfigError(
            f"{archive_file}: its model is a {type(archive.model).__name__}, which is not a model of ner_plugins. "
            "Use `allennlp evaluate`"
        )
    choose_device(archive, cuda_device)
    return archive
