"""`python -m ner_plugins.install_hook`: installs the import hook, which an editable install leaves out."""

import shutil
import sysconfig
from pathlib import Path
from typing import Optional

HOOK = "ner_plugins.pth"


def install_hook(folder: Optional[str] = None) -> Path:
    """
    Copy `ner_plugins.pth` into site-packages, so that this Python installs the hook at every start.

    # Parameters

    folder : `Optional[str]`, optional (default=`None`)
        Another folder to copy it to.

    # Returns

    `Path`
        The file written.
    """
    target = Path(folder or sysconfig.get_path("purelib"), HOOK)
    shutil.copyfile(Path(__file__).with_name(HOOK), target)
    return target


if __name__ == "__main__":
    print(f"wrote {install_hook()}")
