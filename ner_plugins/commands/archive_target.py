"""Where the archive may be that a command writes."""

import os

from ner_plugins.errors import ConfigError


def archive_target(output: str, force: bool) -> str:
    """
    The file that `-o` names, with links resolved.

    # Parameters

    output : `str`
    force : `bool`
        Whether it may exist.

    # Raises

    `ConfigError` if it may not be written.
    """
    target = os.path.realpath(output)
    if os.path.isdir(target):
        raise ConfigError(f"-o {output} is a folder: name a file in it")
    if os.path.exists(target) and not os.path.isfile(target):
        raise ConfigError(f"-o {output} is a device or a pipe: name a file")
    if not os.path.isdir(os.path.dirname(target)):
        raise ConfigError(f"-o {output}: there is no folder {os.path.dirname(target)}")
    if not os.access(os.path.dirname(target), os.W_OK | os.X_OK):
        raise ConfigError(f"-o {output}: {os.path.dirname(target)} is not writable")
    if os.path.exists(target) and not force:
        raise ConfigError(f"-o {output} exists. --force replaces it")
    return target
