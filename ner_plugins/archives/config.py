"""Reading the configuration of an archive: JSON, never Jsonnet, which can loop, read files and the environment."""

import json
import os
from typing import Any, Optional, Union

from allennlp.common import Params
from allennlp.common.params import parse_overrides, with_overrides

from ner_plugins.archives.parts import CONFIG, REMEDY
from ner_plugins.archives.trust import check_programs
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.options import written

MAX_CONFIG_BYTES = 64 * 2**20


class ArchivedParams(Params):
    """`Params` for `allennlp.models.archival`, which reads the configurations of archives with it."""

    @classmethod
    def from_file(
        cls, params_file: Any, params_overrides: Any = "", ext_vars: Optional[dict[str, Any]] = None
    ) -> Params:
        """
        The configuration in a file of JSON, changed by the user's overrides, which may be Jsonnet.

        # Raises

        `ArchiveError` if it is not a JSON object or names programs (`check_programs`); `ConfigError` if the overrides
        do not fit it.
        """
        config = read_archived_config(params_file)
        changes = parsed_overrides(params_overrides)
        try:
            config = with_overrides(config, changes) if changes else config
        except ValueError as error:
            problem = str(error).removeprefix("overrides dict contains unused keys: ")
            raise ConfigError(
                f"--overrides has keys that the archive's configuration does not have: {problem}"
            ) from error
        check_programs(config, changes)
        return Params(config)


def parsed_overrides(overrides: Union[str, dict[str, Any], None]) -> dict[str, Any]:
    """The overrides of `load_archive` as an object; they are the user's own."""
    parsed: Any = parse_overrides(overrides) if isinstance(overrides, str) else json.loads(json.dumps(overrides or {}))
    if not isinstance(parsed, dict):
        raise ConfigError(f"--overrides is {written(parsed)}, but has to be an object")
    return parsed


def read_archived_config(path: Union[str, "os.PathLike[str]"]) -> dict[str, Any]:
    """
    The content of an archive's `config.json`.

    # Raises

    `ArchiveError` if it is missing, not JSON, or not an object.
    """
    if not os.path.isfile(path):
        raise ArchiveError(f"{path}: not found. {REMEDY}")
    if os.path.getsize(path) > MAX_CONFIG_BYTES:
        raise ArchiveError(f"{path}: larger than {MAX_CONFIG_BYTES >> 20} MiB. {REMEDY}")
    try:
        with open(path, encoding="utf-8") as file:
            config: Any = json.load(file)
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise ArchiveError(
            f"{path}: not valid JSON: {error}. The {CONFIG} of an archive is JSON, not Jsonnet. {REMEDY}"
        ) from error
    if not isinstance(config, dict):
        raise ArchiveError(f"{path}: is {written(config)}, but has to be an object. {REMEDY}")
    return config
