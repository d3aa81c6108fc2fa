"""Where the archive of an ensemble keeps what each member needs: assets and vocabulary, in a folder of its own."""

import json
import os
import shutil
from pathlib import Path
from typing import Any, Optional, Union

from ner_plugins.archives.assets import ASSETS_FOLDER
from ner_plugins.errors import ArchiveError
from ner_plugins.files.json_files import parsed_json

_MEMBERS, _VOCABULARY, _SETTINGS = "members", "vocabulary", "vocabulary.json"


def member_folder(serialization_dir: Union[str, "os.PathLike[str]"], name: str) -> Path:
    """The folder of a member in an archive's: to the member, it is the folder of its own archive."""
    return Path(serialization_dir) / ASSETS_FOLDER / _MEMBERS / name


def member_vocabulary(folder: Path) -> Any:
    """
    The vocabulary of a member.

    # Returns

    `Vocabulary`

    # Raises

    `ArchiveError` if there is none.
    """
    from allennlp.data import Vocabulary

    try:
        settings: dict[str, Optional[str]] = parsed_json((folder / _SETTINGS).read_bytes())
        return Vocabulary.from_files(str(folder / _VOCABULARY), settings["padding_token"], settings["oov_token"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ArchiveError(f"{folder}: does not hold the vocabulary of a member ({error}). Make it again") from error


def save_member(archive: Path, vocabulary: Any, folder: Path) -> None:
    """
    Save what a member needs.

    # Parameters

    archive : `Path`
        The folder that the member's archive was extracted to.
    vocabulary : `Vocabulary`
        Of its model.
    folder : `Path`
        See `member_folder`; it does not exist.
    """
    shutil.copytree(archive / ASSETS_FOLDER, folder / ASSETS_FOLDER)
    vocabulary.save_to_files(str(folder / _VOCABULARY))
    settings = {"padding_token": vocabulary._padding_token, "oov_token": vocabulary._oov_token}
    (folder / _SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
