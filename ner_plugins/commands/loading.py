"""Loading an archive whose model is one of this package."""

import logging
from typing import Optional

from allennlp.models.archival import Archive, load_archive

from ner_plugins.commands.devices import choose_device, has_ner_model
from ner_plugins.errors import ConfigError

logger = logging.getLogger(__name__)


def load_ours(
    archive_file: str, cuda_device: Optional[int] = None, overrides: str = "", weights_file: Optional[str] = None
) -> Archive:
    """
    Load an archive, optionally with other weights or options, and move its model to a device (see `choose_device`).

    # Raises

    `ConfigError` if its model is not an `EntityModel`, and whatever loading raises.
    """
    archive = load_archive(archive_file, overrides=overrides, weights_file=weights_file)
    if not has_ner_model(archive):
        raise ConfigError(
            f"{archive_file}: its model is a {type(archive.model).__name__}, which is not a model of ner_plugins. "
            "Use `allennlp evaluate`"
        )
    choose_device(archive, cuda_device)
    return archive


def mention_max_instances(archive: Archive, option: Optional[str]) -> None:
    """
    Warn if the archive's reader reads only a part of the data: the scores would be of that part.

    # Parameters

    archive : `Archive`
    option : `Optional[str]`
        The command's option that overrides the config, `-o`, for the remedy; `None` if it has none.
    """
    number = archive.validation_dataset_reader.max_instances
    if number is not None:
        own = archive.config.params.get("validation_dataset_reader")
        key = f"{'dataset_reader' if own is None else 'validation_dataset_reader'}.max_instances"
        remedy = f"; for all of them: {option} '{{\"{key}\": null}}'" if option else ""
        logger.warning("the archive's reader reads at most %d sentences (max_instances)%s", number, remedy)
