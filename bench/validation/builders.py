# SPDX-License-Identifier: Apache-2.0
"""From an entry of models.yaml and a row's batch and sizes to a torch module with example inputs.

Nothing is downloaded: transformers builds the architecture from a config, and weights stay untouched memory,
because time does not depend on them. `Unsupported` carries the sentence that the table prints.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import architectures
import torch
import transformers
import transformers.initialization
from torch import Tensor, nn


class Unsupported(Exception):
    """The model cannot be written as one ONNX file; the message says why."""


@dataclass
class Built:
    """A module, its example inputs in order, and the names of inputs and outputs in the ONNX file."""

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: list[str] = field(default_factory=lambda: ["output"])


@dataclass(frozen=True)
class Sizes:
    """What a row fixes beside the architecture."""

    batch: int
    seq_len: int
    image: tuple[int, int]


class _Positional(nn.Module):
    """Calls a transformers model by keyword and returns a plain tuple of the named results."""

    def __init__(self, model: nn.Module, names: list[str], results: list[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names
        self.results = results

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """values: one tensor an input name."""
        out = self.model(**dict(zip(self.names, values, strict=True)))
        return tuple(out[name] for name in self.results)


@contextlib.contextmanager
def untouched_weights() -> Iterator[None]:
    """Skips every initialiser, so that parameters stay pages which the system never has to provide."""
    names = [n for n in dir(nn.init) if n.endswith("_") and not n.startswith("_")]
    saved = {n: getattr(nn.init, n) for n in names}
    method_names = ["normal_", "uniform_", "trunc_normal_"]
    methods = {n: getattr(Tensor, n) for n in method_names if hasattr(Tensor, n)}

    def keep(tensor: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        return tensor

    try:
        for name in names:
            setattr(nn.init, name, keep)
        for name in methods:
            setattr(Tensor, name, keep)
        with transformers.initialization.no_init_weights():
            yield
    finally:
        for name, value in saved.items():
            setattr(nn.init, name, value)
        for name, value in methods.items():
            setattr(Tensor, name, value)


def make_distinct(module: nn.Module) -> None:
    """Gives each parameter another first element: the exporter would merge equal ones into one."""
    with torch.no_grad():
        for index, parameter in enumerate(module.parameters()):
            parameter.view(-1)[0] = 1.0 + index


def _token_ids(sizes: Sizes) -> Tensor:
    return torch.ones(sizes.batch, sizes.seq_len, dtype=torch.long)


def _bert_config(arch: dict[str, Any]) -> dict[str, Any]:
    config = {
        "vocab_size": arch["vocab_size"],
        "hidden_size": arch["hidden_size"],
        "num_hidden_layers": arch["layers"],
        "num_attention_heads": arch["attention_heads"],
        "intermediate_size": arch["intermediate_size"],
        "max_position_embeddings": arch["max_positions"],
        "type_vocab_size": arch.get("token_types", 2),
        "hidden_act": arch.get("activation", "gelu"),
        "attn_implementation": "eager",
    }
    if "embedding_size" in arch:
        config["embedding_size"] = arch["embedding_size"]
    return config


def _encoder(name: str, arch: dict[str, Any], sizes: Sizes) -> Built:
    """BERT and its relatives."""
    model_class = getattr(transformers, name)
    model = model_class(model_class.config_class(**_bert_config(arch))).eval()
    inputs = {"input_ids": _token_ids(sizes), "attention_mask": _token_ids(sizes)}
    if arch.get("token_types", 2) > 1:
        inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
    if name.endswith(("ForSequenceClassification", "ForMaskedLM")):
        results = ["logits"]
    else:
        results = ["last_hidden_state"] + ([] if name == "ElectraModel" else ["pooler_output"])
    return Built(_Positional(model, list(inputs), results), inputs, results)


def _distilbert(name: str, arch: dict[str, Any], sizes: Sizes) -> Built:
    config = transformers.DistilBertConfig(
        vocab_size=arch["vocab_size"],
        dim=arch["hidden_size"],
        n_layers=arch["layers"],
        n_heads=arch["attention_heads"],
        hidden_dim=arch["intermediate_size"],
        max_position_embeddings=arch["max_positions"],
        attn_implementation="eager",
    )
    model = getattr(transformers, name)(config).eval()
    inputs = {"input_ids": _token_ids(sizes), "attention_mask": _token_ids(sizes)}
    results = ["logits"] if name.endswith("Classification") else ["last_hidden_state"]
    return Built(_Positional(model, list(inputs), results), inputs, results)


def _gpt2(arch: dict[str, Any], sizes: Sizes) -> Built:
    config = transformers.GPT2Config(
        vocab_size=arch["vocab_size"],
        n_embd=arch["hidden_size"],
        n_layer=arch["layers"],
        n_head=arch["attention_heads"],
        n_inner=arch["intermediate_size"],
        n_positions=arch["max_positions"],
        use_cache=False,
        attn_implementation="eager",
    )
    inputs = {"input_ids": _token_ids(sizes), "attention_mask": _token_ids(sizes)}
    results = ["last_hidden_state"]
    return Built(_Positional(transformers.GPT2Model(config).eval(), list(inputs), results), inputs, results)


def _pixels(sizes: Sizes) -> Tensor:
    return torch.zeros(sizes.batch, 3, *sizes.image)


def _vit(arch: dict[str, Any], sizes: Sizes) -> Built:
    config = transformers.ViTConfig(
        hidden_size=arch["hidden_size"],
        num_hidden_layers=arch["layers"],
        num_attention_heads=arch["attention_heads"],
        intermediate_size=arch["intermediate_size"],
        patch_size=arch["patch_size"],
        image_size=arch["image_size"][0],
        num_labels=arch["classes"],
        attn_implementation="eager",
    )
    model = transformers.ViTForImageClassification(config).eval()
    inputs = {"pixel_values": _pixels(sizes)}
    return Built(_Positional(model, list(inputs), ["logits"]), inputs, ["logits"])


def _clip(arch: dict[str, Any], sizes: Sizes) -> Built:
    """Images beside one set of 100 short prompts, as the published script calls it."""
    text, vision = arch["text"], arch["vision"]
    keys = {"hidden_size": "hidden_size", "layers": "num_hidden_layers", "attention_heads": "num_attention_heads"}
    keys["intermediate_size"] = "intermediate_size"
    text_config = {ours: text[key] for key, ours in keys.items()}
    text_config |= {"vocab_size": text["vocab_size"], "max_position_embeddings": text["max_positions"]}
    vision_config = {ours: vision[key] for key, ours in keys.items()}
    vision_config |= {"patch_size": vision["patch_size"], "image_size": vision["image_size"][0]}
    for part in (text_config, vision_config):
        part["projection_dim"] = arch["projection_dim"]
    config = transformers.CLIPConfig(
        text_config=text_config,
        vision_config=vision_config,
        projection_dim=arch["projection_dim"],
        attn_implementation="eager",
    )
    ids = torch.ones(text["prompts_per_call"], text["tokens_per_prompt"], dtype=torch.long)
    inputs = {"pixel_values": _pixels(sizes), "input_ids": ids, "attention_mask": ids.clone()}
    results = ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"]
    return Built(_Positional(transformers.CLIPModel(config).eval(), list(inputs), results), inputs, results)


def _perceiver(name: str, arch: dict[str, Any], sizes: Sizes) -> Built:
    if "image_size" not in arch:
        raise Unsupported(f"{name} is driven by the host as many calls in sequence, which one ONNX file cannot state.")
    config = transformers.PerceiverConfig(
        num_latents=arch["latents"],
        d_latents=arch["latent_dim"],
        d_model=arch["input_dim"],
        num_blocks=arch["blocks"],
        num_self_attends_per_block=arch["self_attention_layers_per_block"],
        num_self_attention_heads=arch["self_attention_heads"],
        num_cross_attention_heads=arch["cross_attention_heads"],
        self_attention_widening_factor=arch["widening_factor"],
        cross_attention_widening_factor=arch["widening_factor"],
        image_size=arch["image_size"][0],
        num_labels=arch["classes"],
        attn_implementation="eager",
    )
    inputs = {"inputs": _pixels(sizes)}
    model = getattr(transformers, name)(config).eval()
    return Built(_Positional(model, list(inputs), ["logits"]), inputs, ["logits"])


def _cnn(model_id: str, arch: dict[str, Any], sizes: Sizes) -> Built:
    inputs = {"image": _pixels(sizes)}
    if model_id.startswith("resnet"):
        bottleneck = arch["block"].startswith("bottleneck")
        net: nn.Module = architectures.ResNet(
            bottleneck, arch["blocks_per_stage"], arch["stage_widths"], arch["classes"]
        )
    elif model_id.startswith("vgg"):
        net = architectures.Vgg(arch["convs"], arch["classifier"])
    elif model_id.startswith("unet"):
        net = architectures.Unet(arch["encoder_widths"], arch["output_channels"])
    elif model_id == "yolov4":
        return Built(architectures.Yolov4(arch["classes"]).eval(), inputs, ["stride8", "stride16", "stride32"])
    elif model_id.startswith("openpose"):
        net = architectures.Openpose(arch["output_channels"], arch["stages"])
    else:
        raise Unsupported(f"bench/validation/builders.py has no definition of the convolutional network {model_id!r}.")
    return Built(net.eval(), inputs, ["logits"])


def build(entry: dict[str, Any], sizes: Sizes) -> Built:
    """The module of one models.yaml entry. Raises `Unsupported` with a sentence."""
    arch = entry["architecture"]
    builder = str(entry["builder"])
    name = builder.removeprefix("transformers.").split()[0]
    with untouched_weights():
        if builder.startswith("transformers.") and hasattr(transformers, name):
            built = _transformer(name, arch, sizes)
        else:
            built = _cnn(str(entry["id"]), arch, sizes)
    make_distinct(built.module)
    return built


def _transformer(name: str, arch: dict[str, Any], sizes: Sizes) -> Built:
    bert_like = ("Bert", "Roberta", "Camembert", "Electra", "XLMRoberta", "Albert")
    if name.startswith("DistilBert"):
        return _distilbert(name, arch, sizes)
    if name.startswith(bert_like):
        return _encoder(name, arch, sizes)
    if name == "GPT2Model":
        return _gpt2(arch, sizes)
    if name.startswith("ViT"):
        return _vit(arch, sizes)
    if name == "CLIPModel":
        return _clip(arch, sizes)
    if name.startswith("Perceiver"):
        return _perceiver(name, arch, sizes)
    raise Unsupported(f"bench/validation/builders.py does not build {name} yet.")


def parameter_count(module: nn.Module) -> int:
    """Number of weights, shared ones counted once; compared with models.yaml in the tests."""
    return sum(math.prod(p.shape) for p in {id(p): p for p in module.parameters()}.values())
