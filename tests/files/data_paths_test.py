from pathlib import Path

import pytest

from ner_plugins.files.data_paths import DataPath, listed_paths, no_such_file


@pytest.mark.parametrize(
    "path, expected",
    [
        ("data/weibo/trian.txt", "data/weibo/trian.txt: no such file. Did you mean data/weibo/train.txt?"),
        ("data/wiebo", "no such file. Did you mean data/weibo?"),
        ("data/wiebo/", "no such file. Did you mean data/weibo?"),
        ("dta/weibo/train.txt", "no such folder either. Did you mean data/weibo/train.txt?"),
        ("dta/resume", "no such folder either. Did you mean data?"),
        ("data/weibo/train.txt/x", "no such folder either. Check the path."),
        ("corpora/ontonotes", "no such folder either. Check the path."),
    ],
)
def test_the_nearest_path_that_is_there(
    path: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data/weibo").mkdir(parents=True)
    (tmp_path / "data/weibo/train.txt").touch()
    monkeypatch.chdir(tmp_path)
    told = str(no_such_file(path))
    assert expected in told and told.endswith(f"It was looked for in {tmp_path}")
    absolute = str(no_such_file(str(tmp_path / path)))
    assert "looked for" not in absolute and ("Did you mean" in absolute) == ("Did you mean" in told)


def test_the_setting_behind_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NER_DATA", "nowhere/weibo/")
    assert "(NER_DATA is nowhere/weibo)" in str(no_such_file("nowhere/weibo"))
    assert "NER_DATA" not in str(no_such_file("nowhere/weibo2"))


@pytest.mark.parametrize(
    "text, parsed",
    [
        ("https://h/a#b/f.txt#train", ("https://h/a#b/f.txt", None, "train")),
        ("https://h/wow!/f.txt", ("https://h/wow!/f.txt", None, None)),
        ("https://h/c.tar.gz!a!b#dev", ("https://h/c.tar.gz", "a!b", "dev")),
        ("s3://bucket/c.zip!x", ("s3://bucket/c.zip", "x", None)),
    ],
)
def test_parse_of_urls(text, parsed):
    place = DataPath.parse(text)
    assert (place.path, place.member, place.split) == parsed
    assert str(place) == text


@pytest.mark.parametrize("target", ["gone.txt", "link.txt"])
def test_a_link_to_nothing(target: str, tmp_path: Path) -> None:
    link = tmp_path / "link.txt"
    link.symlink_to(target)
    message = str(no_such_file(str(link)))
    assert message.startswith(f"{link}: a link to {target}, which does not exist. Correct the link")


def test_paths_with_commas_between_and_in_them(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a,b.json", "a", "b.json"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert listed_paths("a") == ["a"] and listed_paths("a,b.json") == ["a,b.json"]
    assert listed_paths("a,b.json,a") == ["a", "b.json", "a"]
    assert listed_paths("a,none.json") == ["a", "none.json"]
    assert listed_paths("数据 一,二/none.json") == ["数据 一,二/none.json"]  # which the message names
