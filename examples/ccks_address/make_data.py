"""
Write the miniature of this example: invented addresses in the layout of CCKS 2021, track 2 (on each line a character
and its BIOES tag), and addresses without labels.

    python make_data.py FOLDER

It writes the same files every time. Some 4 % of the labels of `train.conll` are wrong, as in corpora that people label;
`errors.jsonl` lists them, so that the audit's suspects can be checked.
"""

import json
import random
import sys
from pathlib import Path

SIZES = {"train": 120, "dev": 100, "test": 200}
UNLABELLED = 800
ERRORS = 0.05

FIRST, SECOND = "青雾白云石柳松金银望听落紫竹梅荷枫桂莲鹤", "禾港塔溪桥湾岭沙杏江涛雁藤园坞塘林苑花鸣"
BARE = 0.2  # names without "city", "road" and so on, whose type only their place shows
BRANDS = ["晨光", "新星", "百汇", "四季", "海天", "东方", "幸福", "锦绣", "未来", "长乐"]
SUFFIXES = {
    "city": ["市"],
    "district": ["区", "县"],
    "town": ["镇", "街道", "乡"],
    "community": ["社区", "村", "新村"],
    "road": ["路", "街", "大道", "巷"],
    "poi": ["大厦", "广场", "花园", "公寓", "小区", "市场", "超市", "中学", ""],
}
NUMBERS = {
    "roadno": ["号", "弄"],
    "houseno": ["号楼", "幢", "栋", "座"],
    "cellno": ["单元"],
    "floorno": ["楼", "层"],
    "roomno": ["室", ""],
}
LAYOUTS = [
    "city district road roadno poi houseno roomno",
    "city district town community",
    "district road roadno poi",
    "city town community poi houseno cellno roomno",
    "road roadno houseno cellno roomno",
    "city district poi floorno",
    "town community poi",
    "district town road roadno houseno floorno roomno",
    "poi houseno cellno roomno",
]
REMARKS = ["", "", "", "旁边", "对面", "（靠近门口）", "门口", "，送到楼下"]


def address(random_: random.Random) -> list[tuple[str, str]]:
    """The parts of an address: surface and type, which is empty for what is none."""
    parts = [(part(type_, random_), type_) for type_ in random_.choice(LAYOUTS).split()]
    remark = random_.choice(REMARKS)
    return [*parts, (remark, "")] if remark else parts


def part(type_: str, random_: random.Random) -> str:
    """A surface of a type."""
    if type_ in NUMBERS:
        return f"{random_.randint(1, 1800 if type_ == 'roomno' else 60)}{random_.choice(NUMBERS[type_])}"
    name = random_.choice(FIRST) + random_.choice(SECOND)
    if type_ == "poi":
        name = random_.choice([name, random_.choice(BRANDS), name + random_.choice(BRANDS)])
    return name + ("" if random_.random() < BARE else random_.choice(SUFFIXES[type_]))


def mislabelled(parts: list[tuple[str, str]], random_: random.Random) -> list[tuple[str, str]]:
    """The parts with one label dropped, of another type, or joined with its neighbour's."""
    places = [place for place, (_, type_) in enumerate(parts) if type_]
    place, kind = random_.choice(places), random_.choice(["missed", "type", "boundary"])
    surface, type_ = parts[place]
    changed = list(parts)
    if kind == "boundary" and len(places) > 1 and place + 1 < len(parts):
        changed[place : place + 2] = [(surface + parts[place + 1][0], type_)]
    elif kind == "type":
        changed[place] = (surface, random_.choice([other for other in (*SUFFIXES, *NUMBERS) if other != type_]))
    else:
        changed[place] = (surface, "")
    return changed


def rows(parts: list[tuple[str, str]]) -> list[str]:
    """`character tag` of each character."""
    found = []
    for surface, type_ in parts:
        places = "S" if len(surface) == 1 else "B" + "I" * (len(surface) - 2) + "E"
        found += [
            f"{character} {place}-{type_}" if type_ else f"{character} O"
            for character, place in zip(surface, places, strict=True)
        ]
    return found


def main() -> None:
    """Write all files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    random_ = random.Random(2021)
    errors = []
    for split, number in SIZES.items():
        blocks = []
        for _ in range(number):
            parts = address(random_)
            if split == "train" and random_.random() < ERRORS * 4:  # some four labels in an address
                wrong = mislabelled(parts, random_)
                errors.append({"text": "".join(surface for surface, _ in parts), "right": parts, "wrong": wrong})
                parts = wrong
            blocks.append("\n".join(rows(parts)))
        (folder / f"{split}.conll").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    lines = (json.dumps(error, ensure_ascii=False) for error in errors)
    (folder / "errors.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    texts = ["".join(surface for surface, _ in address(random_)) for _ in range(UNLABELLED)]
    (folder / "unlabelled.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
