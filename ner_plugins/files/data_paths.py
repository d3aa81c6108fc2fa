"""
Data paths, `PATH[!MEMBER][#SPLIT]`, and the files that they stand for.

PATH is a file, a folder, a compressed file, an archive (tar, compressed tar, zip) or a URL; MEMBER is a file or folder
in an archive; SPLIT is `train`, `dev` or `test`. Nothing is opened here: see `opening`.
"""

import difflib
import fnmatch
import os
import re
import unicodedata
from dataclasses import dataclass
from typing import Callable, Mapping, Optional, Sequence

from ner_plugins.errors import DataError
from ner_plugins.settings import setting_of

SPLITS = ("train", "dev", "test")
COMPRESSION_SUFFIXES = ("", ".gz", ".bz2", ".xz")

# For each split, the names of its files: see `choose_by_name`.
SplitFiles = Mapping[str, Sequence[str]]

# Takes the names of the files in a folder or archive, and a split; returns the names of that split's files.
ChooseFiles = Callable[[Sequence[str], str], Sequence[str]]

_URL = re.compile(r"(https?|s3|gs|hf)://", re.IGNORECASE)
_URL_MEMBER = re.compile(r"(.+?(?:\.zip|\.tar|\.tgz|\.tar\.\w+))!(.+)")


@dataclass(frozen=True)
class DataPath:
    """
    The parts of a data path.

    # Parameters

    path : `str`
        A file, folder or URL, as the user wrote it.
    member : `Optional[str]`
        A file or folder in it, if it is an archive.
    split : `Optional[str]`
        `train`, `dev` or `test`.
    """

    path: str
    member: Optional[str] = None
    split: Optional[str] = None

    def __str__(self) -> str:
        return self.path + (f"!{self.member}" if self.member else "") + (f"#{self.split}" if self.split else "")

    @classmethod
    def parse(cls, text: str) -> "DataPath":
        """
        Parse `text`. A file that exists under this literal name is that file, even with `#` or `!` in its name.

        # Raises

        `DataError` if there is no such file (with the closest name that exists), or no such split.
        """
        if os.path.exists(text):
            return cls(text)
        rest, _, word = text.rpartition("#")
        if rest and word not in SPLITS and not is_url(rest) and os.path.exists(rest):
            raise DataError(f"unknown split {word!r}", path=text, expected="#train, #dev or #test")
        path, split = (rest, word) if rest and word in SPLITS else (text, None)
        if is_url(path):
            found = _URL_MEMBER.fullmatch(path)
            return cls(found[1], found[2], split) if found else cls(path, None, split)
        left, right = _existing(path)
        if right and os.path.isdir(left):
            left, right = os.path.join(left, right), ""
        if not os.path.exists(left):
            raise no_such_file(left)
        return cls(left, right or None, split)


def listed_paths(given: str) -> list[str]:
    """
    The data paths of an argument that may list several with commas between them.

    A path that has commas itself is one, if it exists, or if nothing exists by the names between the commas.
    """
    parts = given.split(",")
    return parts if len(parts) > 1 and not _is_path(given) and any(map(_is_path, parts)) else [given]


def _is_path(text: str) -> bool:
    try:
        DataPath.parse(text)
    except DataError:
        return False
    return True


def is_url(path: str) -> bool:
    """Whether `path` is a URL."""
    return _URL.match(path) is not None


def _existing(path: str) -> tuple[str, str]:
    """`path`, cut at the last `!` before which there is an existing path; uncut if there is none."""
    cuts = [i for i, character in enumerate(path) if character == "!"]
    if not os.path.exists(path):
        for cut in reversed(cuts):
            if os.path.exists(path[:cut]):
                return path[:cut], path[cut + 1 :]
    return path, ""


def choose_by_name(names: Sequence[str], split: str, split_files: SplitFiles) -> list[str]:
    """
    The files of a split, by their names.

    # Parameters

    names : `Sequence[str]`
        Paths inside a folder or archive.
    split : `str`
    split_files : `Mapping[str, Sequence[str]]`
        For each split, file names (`fnmatch` patterns) in order of preference: the split is all files that match the
        first pattern with a match. Compressed files, with a suffix, match too.

    # Returns

    `list[str]`
        Sorted; empty if there are none. If several folders have matches, those in the folder nearest to the root.

    # Raises

    `DataError` if several folders are equally near.
    """
    for pattern in split_files.get(split, ()):
        for suffix in COMPRESSION_SUFFIXES:
            found = [name for name in names if fnmatch.fnmatchcase(name.rpartition("/")[2], pattern + suffix)]
            if not found:
                continue
            depth = min(name.count("/") for name in found)
            folders = sorted({name.rpartition("/")[0] for name in found if name.count("/") == depth})
            if len(folders) > 1:
                raise DataError(
                    f"several folders have {pattern}: {', '.join(folders)}", remedy="Choose one: ARCHIVE!FOLDER#SPLIT"
                )
            return sorted(name for name in found if name.rpartition("/")[0] == folders[0])
    return []


def selected_files(
    place: DataPath, names: Sequence[str], choose: Optional[ChooseFiles], files_have_splits: bool
) -> Sequence[str]:
    """
    The files that a data path stands for, out of those in its folder or archive.

    # Parameters

    place : `DataPath`
    names : `Sequence[str]`
        All files of the folder or archive.
    choose : `Optional[ChooseFiles]`
        Finds the files of a split.
    files_have_splits : `bool`
        Whether a single file can be asked for by a split too: see `open_streams`.

    # Raises

    `DataError` if there are no such files; it lists what there is.
    """
    names, is_file = members(place, names)
    if is_file:
        if place.split and not files_have_splits:
            raise no_split(place)
        return names
    if place.split and (chosen := chosen_files(place, names, place.split, choose)):
        return chosen
    raise _no_selection(place, names, choose)


def members(place: DataPath, names: Sequence[str]) -> tuple[list[str], bool]:
    """
    The files of a folder or archive below the path's member, hidden ones left out, and whether the member is a file.

    # Parameters

    place : `DataPath`
        Without a member, all files are returned.
    names : `Sequence[str]`
        All files of the folder or archive.

    # Raises

    `DataError` if there is no such member, or several.
    """
    names = [name for name in names if not name.startswith("__MACOSX/") and not name.rpartition("/")[2].startswith(".")]
    if not place.member:
        return names, False
    normal = {unicodedata.normalize("NFC", name): name for name in names}
    member = unicodedata.normalize("NFC", place.member.rstrip("/"))
    exact = [normal[member]] if member in normal else [n for k, n in normal.items() if k.endswith("/" + member)]
    inside = [name for key, name in normal.items() if key.startswith(member + "/")]
    if len(exact) == 1:
        return exact, True
    if len(exact) > 1 or not inside:
        close = exact or difflib.get_close_matches(member, names, n=3) or sorted(names)[:5]
        problem = f"{len(exact) or 'no'} members are called {place.member!r}"
        raise DataError(problem, path=place.path, remedy=f"It has: {', '.join(close) or 'no files'}")
    return inside, False


def chosen_files(place: DataPath, names: Sequence[str], split: str, choose: Optional[ChooseFiles]) -> Sequence[str]:
    """The files of a split among `names`; an error of `choose` gets the path."""
    try:
        return choose(names, split) if choose else ()
    except DataError as error:
        raise DataError(error.problem, path=str(place), remedy=error.remedy) from None


def _no_selection(place: DataPath, names: Sequence[str], choose: Optional[ChooseFiles]) -> DataError:
    """The error for a folder or archive without a split, or with one that has no files."""
    base = str(DataPath(place.path, place.member))
    splits = [split for split in SPLITS if chosen_files(place, names, split, choose)]
    kind = "a folder" if os.path.isdir(place.path) else "an archive"
    problem = f"{kind} without a split {place.split!r}" if place.split else f"{kind}, not a file"
    reader = getattr(choose, "__self__", None)  # a reader passes its own method
    if splits:
        remedy = f"Choose one of {', '.join(f'{base}#{split}' for split in splits)}"
        if reader is not None and place.split == "dev" and "train" in splits:
            name = _reader_name(reader)
            remedy += (
                f"; or let the reader {name} hold out a part of the training data, with dev_fraction: "
                f"""NER_READER='{{"type": "{name}", "dev_fraction": 0.1}}'"""
            )
        return DataError(problem, path=base, remedy=remedy)
    listed = ", ".join(sorted(names)[:8]) + (", …" if len(names) > 8 else "")
    separator = "/" if place.member or kind == "a folder" else "!"
    file = f"{base}{separator}FILE"
    if reader is None or not place.split:
        return DataError(problem, path=base, remedy=f"Name one of its files, {file}: {listed or 'it has none'}")
    return DataError(
        f"the reader {_reader_name(reader)} finds none of its splits in it",
        path=base,
        expected=", ".join(pattern for patterns in reader.split_files.values() for pattern in patterns) or None,
        remedy="Name another reader (configs take it from NER_READER), or, if the files are in this one's format, each "
        f"as {file} (NER_TRAIN, NER_DEV, NER_TEST): {listed or 'it has none'}",
    )


def _reader_name(reader: object) -> str:
    from ner_plugins.options import registered_name

    return registered_name(type(reader))


def no_split(place: DataPath) -> DataError:
    """The error for a split of a single file."""
    return DataError(
        f"one file, which has no split {place.split!r}",
        path=str(DataPath(place.path, place.member)),
        remedy=f"Leave out #{place.split}, or set dev_fraction to hold out a part of the file as #dev",
    )


def no_such_file(path: str) -> DataError:
    """The error for a path that does not exist: with the closest one that does, and the setting it comes from."""
    there = os.path.isdir(os.path.dirname(path.rstrip("/")) or ".")
    if os.path.islink(path):
        problem = f"a link to {os.readlink(path)}, which does not exist"
        return DataError(problem, path=path, remedy="Correct the link, or name another file")
    near = _near_path(path)
    remedy = f"Did you mean {near}?" if near else "Check the path."
    if not os.path.isabs(path):
        remedy += f" It was looked for in {os.getcwd()}"
    if setting := setting_of(path):
        remedy += f" ({setting})"
    problem = "no such file" if there else "no such file, and no such folder either"
    return DataError(problem, path=path, remedy=remedy)


def _near_path(path: str) -> Optional[str]:
    """`path` with its first missing part replaced by the closest existing name; `None` if none is close."""
    folder, rest = path.rstrip("/"), ""
    while folder and not os.path.exists(folder):
        folder, name = os.path.split(folder)
        rest = os.path.join(name, rest) if rest else name
    if not rest or not os.path.isdir(folder or "."):
        return None
    missing, _, below = rest.partition("/")
    for close in difflib.get_close_matches(missing, sorted(os.listdir(folder or "."))):
        found = os.path.join(folder, close)
        if not below:
            return found
        if os.path.isdir(found):
            whole = os.path.join(found, below)
            return whole if os.path.exists(whole) else found
    return None
