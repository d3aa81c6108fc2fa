"""Encoders that are not there, not whole or not what they say end in one line, and quickly."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny_encoders import make_encoder

from ner_plugins.errors import ConfigError
from ner_plugins.pretrained import encoder as pretrained
from ner_plugins.pretrained.encoder import build_encoder, encoder_folder, read_config, read_encoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(make_encoder(tmp_path_factory.mktemp("encoders") / "bert", half=True))


def test_folders_and_hub_names_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "bert").mkdir(parents=True)
    assert encoder_folder("models/bert") == str(tmp_path / "models" / "bert")
    assert encoder_folder("bert-base-chinese") is None
    assert encoder_folder("owner/name") is None
    (tmp_path / "file").write_text("")
    for missing in ("models/other", "./bert", "/nowhere/bert", "a/b/c", "~/no-such-encoder", "owner/name/", "", "file"):
        with pytest.raises(ConfigError, match=r"model_name: ") as caught:
            encoder_folder(missing)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reachable", [False, True])
def test_a_hub_name_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, reachable: bool) -> None:
    calls = []

    def load(name: str, local_files_only: bool = False) -> None:
        calls.append(local_files_only)
        raise OSError("not here.\nMany more lines.")

    monkeypatch.setattr(pretrained, "_hub_reachable", lambda: reachable)
    with pytest.raises(ConfigError, match=r"model_name: .*'owner/name'.*Set model_name to the folder") as caught:
        pretrained.read_pretrained(load, "owner/name", "tokenizer")
    assert calls == ([True, False] if reachable else [True])  # the local cache first, and no network in vain
    assert "\n" not in str(caught.value)


def test_the_hub_is_not_asked_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    for name in ("http", "https", "all"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    monkeypatch.setattr(pretrained.socket, "create_connection", lambda *_, **__: pytest.fail("asked"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not pretrained._hub_reachable()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:1")
    assert pretrained._hub_reachable()


def test_half_precision_is_read_as_float32(encoder: Path) -> None:
    model = read_encoder(str(encoder), read_config(str(encoder)))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in build_encoder(read_config(str(encoder))).parameters()} == {torch.float32}


def test_no_pooler(encoder: Path) -> None:
    for model in (read_encoder(str(encoder), read_config(str(encoder))), build_encoder(read_config(str(encoder)))):
        assert not [name for name, _ in model.named_parameters() if "pooler" in name]


def test_weights_cut_short(encoder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(encoder, tmp_path / "cut"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ConfigError, match=r"model_name: cannot read the weights in .*cut") as caught:
        read_encoder(str(folder), read_config(str(folder)))
    assert "\n" not in str(caught.value)


def test_no_weights_and_no_config(encoder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(encoder, tmp_path / "part"))
    (folder / "model.safetensors").unlink()
    config = read_config(str(folder))
    with pytest.raises(ConfigError, match=r"model_name: cannot read the weights in .*part"):
        read_encoder(str(folder), config)
    (folder / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"model_name: cannot read the configuration in .*part"):
        read_config(str(folder))


def test_weights_of_another_model(encoder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(encoder, tmp_path / "other"))
    tensors = load_file(folder / "model.safetensors")
    elsewhere = {f"elsewhere.{name}": tensor for name, tensor in tensors.items()}
    save_file(elsewhere, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match=r"are not those of a BertModel"):
        read_encoder(str(folder), read_config(str(folder)))
    lost = "encoder.layer.1.attention.self.key.bias"
    del tensors[lost]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with caplog.at_level("WARNING", logger="ner_plugins.pretrained.encoder"):
        read_encoder(str(folder), read_config(str(folder)))
    assert [record.message for record in caplog.records if lost in record.message]


def test_an_unknown_kind_of_encoder(encoder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(encoder, tmp_path / "unknown"))
    (folder / "config.json").write_text(json.dumps({"model_type": "no-such-model"}))
    with pytest.raises(ConfigError, match=r"model_name: cannot read the configuration in") as caught:
        read_config(str(folder))
    assert "\n" not in str(caught.value)
