"""Labels in plots: the names of types, corpora and axes in fonts that have their characters."""

import logging
from typing import Sequence

logger = logging.getLogger(__name__)

CJK_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK KR", "Noto Sans CJK JP", "Source Han Sans SC", "Source Han Sans K",
    "Noto Sans SC", "Noto Sans KR", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Microsoft YaHei", "SimHei",
    "PingFang SC", "PingFang HK", "Hiragino Sans GB", "Heiti TC", "Malgun Gothic", "NanumGothic", "Nanum Gothic",
    "Apple SD Gothic Neo", "AppleGothic", "UnDotum", "Droid Sans Fallback", "AR PL UMing CN", "Unifont",
    "Arial Unicode MS",
)  # fmt: skip
"""Common fonts with Han or Hangul characters, by their names in matplotlib."""


class PlotLabels:
    """
    Labels that the installed fonts can draw, by name. A name with a character that no font has becomes a number such as
    `#1`, and `explain` logs which name that is.

    # Parameters

    names : `Sequence[str]`
        All names in the plot.
    """

    def __init__(self, names: Sequence[str]) -> None:
        from matplotlib import font_manager

        installed = {entry.name for entry in font_manager.fontManager.ttflist}
        self.fonts = ["DejaVu Sans", *(name for name in CJK_FONTS if name in installed)]
        covered = [font_manager.get_font(font_manager.findfont(name)).get_charmap() for name in self.fonts]
        self._labels: dict[str, str] = {}
        self._numbered: dict[str, str] = {}
        for name in dict.fromkeys(names):
            if all(any(ord(character) in charmap for charmap in covered) for character in name):
                # A dollar sign would start math text, and legends leave out labels that begin with "_".
                self._labels[name] = " " * name.startswith("_") + name.replace("$", r"\$")
            else:
                self._numbered[name] = self._labels[name] = f"#{len(self._numbered) + 1}"

    def __getitem__(self, name: str) -> str:
        return self._labels[name]

    def explain(self, file: str) -> None:
        """Log the name of each number in the plot that is written to `file`."""
        if self._numbered:
            listed = ", ".join(f"{number} = {name}" for name, number in self._numbered.items())
            logger.warning(
                "%s: no installed font has all characters of these names: %s. Install Noto Sans CJK", file, listed
            )
