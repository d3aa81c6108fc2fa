"""`python -m ner_plugins.install_hook`: the import hook for an editable install, whose wheel has no place for it."""

import shutil
import sysconfig
from pathlib import Path

HOOK = "ner_plugins.pth"


def install_hook(folder: str | None = None) -> Path:
    """
    Copy `ner_plugins.pth` into site-packages, so that every start of this Python knows the hook.

    # Parameters

    folder : `Optional[str]`
        Another folder to put it in.

    # Returns

    `Path`
        The file written.
    """
    target = Path(folder or sysconfig.get_path("purelib"), HOOK)
    shutil.copyfile(Path(__file__).with_name(HOOK), target)
    return target


if __name__ == "__main__":
    print(f"wrote {install_hook()}")
