# SPDX-License-Identifier: Apache-2.0
"""Small models of well-known families with random weights, exported by today's PyTorch.

Each maker returns a module, its inputs and which axes are dynamic; `export` writes it as ONNX. Nothing is
downloaded: weights are seeded random values.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

BATCH, LENGTH, WORDS = 2, 7, 99


def _define_nms() -> None:
    """Makes torchvision importable where its compiled part is for another build of torch: nms in Python."""
    try:
        import torchvision  # noqa: F401
    except ImportError:
        return
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torch.library.impl("torchvision::nms", "cpu", _nms)
        import torchvision  # noqa: F401


def _nms(boxes: Tensor, scores: Tensor, limit: float) -> Tensor:
    """Indices of the boxes that no better box overlaps by more than the limit, best first."""
    kept: list[Tensor] = []
    for i in scores.argsort(descending=True):
        if all(_overlap(boxes[i], boxes[j]) <= limit for j in kept):
            kept.append(i)
    return torch.stack(kept)


def _overlap(a: Tensor, b: Tensor) -> float:
    """Intersection over union of two boxes of corners."""
    sides = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(0)
    shared = float(sides.prod())
    return shared / (float((a[2:] - a[:2]).prod()) + float((b[2:] - b[:2]).prod()) - shared)


_define_nms()


@dataclass
class Made:
    """A module in eval mode, its inputs by name, and dynamic axes by input: {axis: name}."""

    module: nn.Module
    inputs: dict[str, Tensor]
    dynamic: dict[str, dict[int, str]] = field(default_factory=dict)


class First(nn.Module):
    """Calls the model with named inputs and returns the tensors of its result that are asked for."""

    def __init__(self, model: nn.Module, names: list[str], keys: list[str], **fixed: Any) -> None:
        super().__init__()
        self.model, self.names, self.keys, self.fixed = model, names, keys, fixed

    def forward(self, *values: Tensor) -> Any:
        given = dict(zip(self.names, values, strict=True))
        result = self.model(**given, **self.fixed)
        found = [result[key] for key in self.keys]
        return found[0] if len(found) == 1 else tuple(found)


def wrap(model: nn.Module, inputs: dict[str, Tensor], keys: list[str], **fixed: Any) -> First:
    """The model as a module of positional inputs."""
    return First(model.eval(), list(inputs), keys, **fixed)


def tokens(length: int = LENGTH, words: int = WORDS) -> dict[str, Tensor]:
    """Token ids and a mask whose second row is shorter."""
    mask = torch.ones(BATCH, length, dtype=torch.int64)
    mask[1, length - 2 :] = 0
    return {"input_ids": torch.randint(3, words, (BATCH, length)), "attention_mask": mask}


def by_token(inputs: dict[str, Tensor]) -> dict[str, dict[int, str]]:
    """Batch and length are dynamic."""
    return {name: {0: "batch", 1: "length"} for name in inputs}


def by_batch(inputs: dict[str, Tensor]) -> dict[str, dict[int, str]]:
    """Only the batch is dynamic."""
    return {name: {0: "batch"} for name in inputs}


def text(model: str, config: str, keys: tuple[str, ...] = ("last_hidden_state",), **options: Any) -> Callable[[], Made]:
    """A text model of transformers by the names of its classes."""

    def make() -> Made:
        import transformers

        settings = getattr(transformers, config)(**options)
        inputs = tokens()
        made = getattr(transformers, model)(settings)
        fixed = {"use_cache": False} if getattr(settings, "use_cache", None) is not None else {}
        return Made(wrap(made, inputs, list(keys), **fixed), inputs, by_token(inputs))

    return make


def vision(
    model: str, config: str, size: int, keys: tuple[str, ...] = ("logits",), **options: Any
) -> Callable[[], Made]:
    """A vision model of transformers on [BATCH, 3, size, size]."""

    def make() -> Made:
        import transformers

        settings = getattr(transformers, config)(**options)
        inputs = {"pixel_values": torch.randn(BATCH, 3, size, size)}
        return Made(wrap(getattr(transformers, model)(settings), inputs, list(keys)), inputs, by_batch(inputs))

    return make


BERT = {
    "vocab_size": WORDS,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
LLAMA = {**BERT, "num_key_value_heads": 2, "head_dim": 16}
BART = {
    "vocab_size": WORDS,
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
}
IMAGE = {"image_size": 32, "patch_size": 8}
ENCODER = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
T5 = {"vocab_size": WORDS, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4}
WHISPER = {**BART, "num_mel_bins": 16, "max_source_positions": 32, "max_target_positions": 32}
WHISPER |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}


def gpt2_with_past() -> Made:
    """GPT-2's step with keys and values of what came before."""
    import transformers

    settings = transformers.GPT2Config(vocab_size=WORDS, n_embd=64, n_layer=2, n_head=4, n_positions=64)
    model = transformers.GPT2LMHeadModel(settings).eval()

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Tensor, mask: Tensor, k0: Tensor, v0: Tensor, k1: Tensor, v1: Tensor) -> Any:
            past = transformers.DynamicCache([(k0, v0), (k1, v1)])
            result = self.model(input_ids=ids, attention_mask=mask, past_key_values=past, use_cache=True)
            kept = [t for layer in result.past_key_values.layers for t in (layer.keys, layer.values)]
            return (result.logits, *kept)

    inputs = {
        "input_ids": torch.randint(3, WORDS, (BATCH, 1)),
        "attention_mask": torch.ones(BATCH, LENGTH + 1, dtype=torch.int64),
    }
    inputs |= {name: torch.randn(BATCH, 4, LENGTH, 16) for name in ("k0", "v0", "k1", "v1")}
    dynamic: dict[str, dict[int, str]] = {"input_ids": {0: "batch"}, "attention_mask": {0: "batch", 1: "total"}}
    dynamic |= {name: {0: "batch", 2: "past"} for name in ("k0", "v0", "k1", "v1")}
    return Made(Step(), inputs, dynamic)


def decoder_of(model: nn.Module, hidden: int, source: int) -> Made:
    """The decoder of an encoder-decoder model beside the encoder's states."""
    inputs = {
        "input_ids": torch.randint(3, WORDS, (BATCH, LENGTH)),
        "encoder_hidden_states": torch.randn(BATCH, source, hidden),
    }
    dynamic = {"input_ids": {0: "batch", 1: "length"}, "encoder_hidden_states": {0: "batch", 1: "source"}}
    return Made(wrap(model, inputs, ["last_hidden_state"], use_cache=False), inputs, dynamic)


def t5_encoder() -> Made:
    import transformers

    inputs = tokens()
    model = transformers.T5EncoderModel(transformers.T5Config(**T5))
    return Made(wrap(model, inputs, ["last_hidden_state"]), inputs, by_token(inputs))


def t5_decoder() -> Made:
    import transformers

    return decoder_of(transformers.T5Model(transformers.T5Config(**T5)).decoder, 64, 5)


def whisper_encoder() -> Made:
    import transformers

    model = transformers.WhisperModel(transformers.WhisperConfig(**WHISPER)).encoder
    inputs = {"input_features": torch.randn(BATCH, 16, 64)}
    return Made(wrap(model, inputs, ["last_hidden_state"]), inputs, by_batch(inputs))


def whisper_decoder() -> Made:
    import transformers

    return decoder_of(transformers.WhisperModel(transformers.WhisperConfig(**WHISPER)).decoder, 64, 32)


def bart() -> Made:
    import transformers

    model = transformers.BartModel(transformers.BartConfig(**BART, max_position_embeddings=32))
    inputs = {**tokens(), "decoder_input_ids": torch.randint(3, WORDS, (BATCH, 5))}
    dynamic = by_token(tokens()) | {"decoder_input_ids": {0: "batch", 1: "target"}}
    return Made(wrap(model, inputs, ["last_hidden_state"], use_cache=False), inputs, dynamic)


def clip() -> Made:
    import transformers

    part = {**ENCODER, "vocab_size": WORDS, "max_position_embeddings": 16, "eos_token_id": WORDS - 1}
    config = transformers.CLIPConfig(text_config=part, vision_config={**ENCODER, **IMAGE}, projection_dim=32)
    inputs = {**tokens(), "pixel_values": torch.randn(BATCH, 3, 32, 32)}
    inputs["input_ids"][:, 4] = WORDS - 1
    dynamic = by_token(tokens()) | {"pixel_values": {0: "images"}}
    keys = ["logits_per_image", "text_embeds", "image_embeds"]
    return Made(wrap(transformers.CLIPModel(config), inputs, keys), inputs, dynamic)


def detr() -> Made:
    import transformers

    backbone = transformers.ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    config = transformers.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone,
        num_queries=5, d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128,
    )  # fmt: skip
    inputs = {"pixel_values": torch.randn(BATCH, 3, 64, 64)}
    model = transformers.DetrForObjectDetection(config)
    return Made(wrap(model, inputs, ["logits", "pred_boxes"]), inputs, by_batch(inputs))


def wav2vec2() -> Made:
    import transformers

    config = transformers.Wav2Vec2Config(
        **{**BERT, "vocab_size": 32}, conv_dim=(32, 32), conv_kernel=(10, 3), conv_stride=(5, 2),
        num_feat_extract_layers=2, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    inputs = {"input_values": torch.randn(BATCH, 400)}
    model = transformers.Wav2Vec2ForCTC(config)
    return Made(wrap(model, inputs, ["logits"]), inputs, {"input_values": {0: "batch", 1: "samples"}})


def deberta() -> Made:
    import transformers

    config = transformers.DebertaV2Config(
        **BERT, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=8, norm_rel_ebd="layer_norm",
        share_att_key=True, position_biased_input=False, max_position_embeddings=32,
    )  # fmt: skip
    inputs = tokens()
    return Made(wrap(transformers.DebertaV2Model(config), inputs, ["last_hidden_state"]), inputs, by_token(inputs))


class Tagger(nn.Module):
    """Embedding, a two-layer bidirectional LSTM, a score for each tag."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, 32)
        self.lstm = nn.LSTM(32, 48, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(96, 9)

    def forward(self, ids: Tensor) -> Tensor:
        states, _ = self.lstm(self.embed(ids))
        return torch.log_softmax(self.head(states), -1)


def lstm_tagger() -> Made:
    return Made(Tagger(), {"ids": torch.randint(0, WORDS, (BATCH, LENGTH))}, {"ids": {0: "batch", 1: "length"}})


class Translator(nn.Module):
    """A GRU encoder and a greedy GRU decoder, step after step."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, 32)
        self.encoder = nn.GRU(32, 64, batch_first=True)
        self.cell = nn.GRUCell(32, 64)
        self.head = nn.Linear(64, WORDS)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        _, state = self.encoder(self.embed(ids))
        hidden = state[0]
        word = torch.zeros_like(ids[:, 0])
        words, scores = [], []
        for _ in range(5):
            hidden = self.cell(self.embed(word), hidden)
            score = self.head(hidden)
            word = score.argmax(-1)
            words.append(word)
            scores.append(score)
        return torch.stack(words, 1), torch.stack(scores, 1)


def gru_translator() -> Made:
    return Made(Translator(), {"ids": torch.randint(0, WORDS, (BATCH, LENGTH))}, {"ids": {0: "batch", 1: "length"}})


class Repeated(nn.Module):
    """A plain recurrent cell in a loop whose trip count is the sequence's length."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(16, 32)
        self.turn = nn.Linear(32, 32)
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        state = torch.zeros(x.shape[1], 32, dtype=x.dtype)
        for step in range(x.shape[0]):
            state = torch.tanh(self.enter(x[step]) + self.turn(state))
            if float(state.sum()) > 3.0:
                state = state * 0.5
        return self.head(state)


def scripted_loop() -> Made:
    """As a script, so that the exporter writes Loop."""
    return Made(torch.jit.script(Repeated()), {"x": torch.randn(6, BATCH, 16)}, {"x": {0: "length", 1: "batch"}})


class PlainTransformer(nn.Module):
    """torch.nn.Transformer on given embeddings with a causal mask."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Transformer(64, 4, 2, 2, 128, batch_first=True)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(5))

    def forward(self, source: Tensor, target: Tensor) -> Any:
        return self.model(source, target, tgt_mask=self.mask, tgt_is_causal=True)


def torch_transformer() -> Made:
    inputs = {"source": torch.randn(BATCH, LENGTH, 64), "target": torch.randn(BATCH, 5, 64)}
    return Made(PlainTransformer(), inputs, by_batch(inputs))


class UNet(nn.Module):
    """Two levels down and up with skips; group norm, silu, transposed convolution, bilinear upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.block(3, 16)
        self.second = self.block(16, 32)
        self.middle = self.block(32, 64)
        self.up = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.third = self.block(64, 32)
        self.fourth = self.block(48, 16)
        self.last = nn.Conv2d(16, 2, 1)

    @staticmethod
    def block(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(4, outputs), nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        a = self.first(x)
        b = self.second(nn.functional.max_pool2d(a, 2))
        c = self.middle(nn.functional.avg_pool2d(b, 2))
        d = self.third(torch.cat([self.up(c), b], 1))
        e = nn.functional.interpolate(d, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.last(self.fourth(torch.cat([e, a], 1)))


def unet() -> Made:
    return Made(UNet(), {"image": torch.randn(BATCH, 3, 32, 32)}, {"image": {0: "batch"}})


class Detector(nn.Module):
    """A backbone, boxes from anchors, and the detections that torchvision's nms keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.Hardswish(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU6()
        )
        self.boxes = nn.Conv2d(32, 4, 1)
        self.scores = nn.Conv2d(32, 3, 1)
        rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        self.register_buffer("centres", torch.stack([columns, rows], -1).reshape(64, 2) * 4 + 2)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.backbone(image)
        offsets = self.boxes(features).permute(0, 2, 3, 1).reshape(64, 4)
        scores, labels = self.scores(features).permute(0, 2, 3, 1).reshape(64, 3).softmax(-1).max(-1)
        centres = self.centres + offsets[:, :2] * 4
        sizes = offsets[:, 2:].exp() * 6
        boxes = torch.cat([centres - sizes / 2, centres + sizes / 2], -1).clamp(0, 32)
        kept = torch.ops.torchvision.nms(boxes, scores, 0.4)[:10]
        return boxes[kept], scores[kept], labels[kept]


def detector() -> Made:
    return Made(Detector(), {"image": torch.randn(1, 3, 32, 32)})


def torchvision_model(name: str, size: int = 64, **options: Any) -> Callable[[], Made]:
    """A model of torchvision by the name of its maker."""

    def make() -> Made:
        import torchvision

        model = getattr(torchvision.models, name)(**options)
        inputs = {"image": torch.randn(BATCH, 3, size, size)}
        return Made(model, inputs, by_batch(inputs))

    return make


MODELS: dict[str, Callable[[], Made]] = {
    "bert": text("BertModel", "BertConfig", ("last_hidden_state", "pooler_output"), **BERT),
    "roberta": text("RobertaForSequenceClassification", "RobertaConfig", ("logits",), **BERT),
    "distilbert": text(
        "DistilBertModel", "DistilBertConfig", vocab_size=WORDS, dim=64, n_layers=2, n_heads=4, hidden_dim=128
    ),
    "gpt2": text(
        "GPT2LMHeadModel", "GPT2Config", ("logits",), vocab_size=WORDS, n_embd=64, n_layer=2, n_head=4, n_positions=32
    ),
    "gpt2_past": gpt2_with_past,
    "llama": text("LlamaForCausalLM", "LlamaConfig", ("logits",), **LLAMA),
    "qwen2": text("Qwen2ForCausalLM", "Qwen2Config", ("logits",), **BERT, num_key_value_heads=2),
    "qwen3": text("Qwen3ForCausalLM", "Qwen3Config", ("logits",), **LLAMA),
    "mistral": text("MistralForCausalLM", "MistralConfig", ("logits",), **LLAMA, sliding_window=4),
    "gemma2": text("Gemma2ForCausalLM", "Gemma2Config", ("logits",), **LLAMA, sliding_window=4),
    "phi3": text("Phi3ForCausalLM", "Phi3Config", ("logits",), **BERT, pad_token_id=0),
    "gpt_neox": text("GPTNeoXForCausalLM", "GPTNeoXConfig", ("logits",), **BERT),
    "opt": text(
        "OPTForCausalLM", "OPTConfig", ("logits",), vocab_size=WORDS, hidden_size=64, ffn_dim=128,
        num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=64, max_position_embeddings=32,
    ),
    "bloom": text(
        "BloomForCausalLM", "BloomConfig", ("logits",), vocab_size=WORDS, hidden_size=64, n_layer=2, n_head=4
    ),
    "mixtral": text(
        "MixtralForCausalLM", "MixtralConfig", ("logits",), **LLAMA, num_local_experts=4, num_experts_per_tok=2,
        experts_implementation="batched_mm",
    ),
    "albert": text("AlbertModel", "AlbertConfig", **BERT, embedding_size=32),
    "electra": text("ElectraForTokenClassification", "ElectraConfig", ("logits",), **BERT, embedding_size=32),
    "mpnet": text("MPNetModel", "MPNetConfig", **BERT),
    "xlnet": text("XLNetModel", "XLNetConfig", vocab_size=WORDS, d_model=64, n_layer=2, n_head=4, d_inner=128),
    "mamba": text("MambaModel", "MambaConfig", vocab_size=WORDS, hidden_size=64, num_hidden_layers=2, state_size=8),
    "deberta": deberta,
    "bart": bart,
    "t5_encoder": t5_encoder,
    "t5_decoder": t5_decoder,
    "whisper_encoder": whisper_encoder,
    "whisper_decoder": whisper_decoder,
    "wav2vec2": wav2vec2,
    "clip": clip,
    "vit": vision("ViTForImageClassification", "ViTConfig", 32, **ENCODER, **IMAGE),
    "deit": vision("DeiTForImageClassification", "DeiTConfig", 32, **ENCODER, **IMAGE),
    "beit": vision("BeitForImageClassification", "BeitConfig", 32, **ENCODER, **IMAGE),
    "dinov2": vision(
        "Dinov2Model", "Dinov2Config", 28, ("last_hidden_state",), hidden_size=64, num_hidden_layers=2,
        num_attention_heads=4, image_size=56, patch_size=14,
    ),
    "swin": vision(
        "SwinForImageClassification", "SwinConfig", 32, image_size=32, patch_size=2, embed_dim=16, depths=[2, 2],
        num_heads=[2, 4], window_size=4,
    ),
    "convnext": vision(
        "ConvNextForImageClassification", "ConvNextConfig", 32, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1]
    ),
    "segformer": vision(
        "SegformerForSemanticSegmentation", "SegformerConfig", 64, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1],
        num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=32, num_labels=5,
    ),
    "mobilevit": vision(
        "MobileViTForImageClassification", "MobileViTConfig", 64, hidden_sizes=[32, 48, 64], num_attention_heads=4,
        neck_hidden_sizes=[8, 16, 16, 24, 32, 40, 80], image_size=64,
    ),
    "yolos": vision(
        "YolosForObjectDetection", "YolosConfig", 32, ("logits", "pred_boxes"), **ENCODER, image_size=[32, 32],
        patch_size=8, num_detection_tokens=5,
    ),
    "dpt": vision(
        "DPTForDepthEstimation", "DPTConfig", 32, ("predicted_depth",), hidden_size=64, num_hidden_layers=4,
        num_attention_heads=4, intermediate_size=128, **IMAGE, backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[16, 16, 32, 32], fusion_hidden_size=16,
    ),
    "detr": detr,
    "regnet": torchvision_model("regnet_y_400mf"),
    "resnet18": torchvision_model("resnet18"),
    "efficientnet": torchvision_model("efficientnet_b0"),
    "mobilenet_v3": torchvision_model("mobilenet_v3_small"),
    "shufflenet": torchvision_model("shufflenet_v2_x0_5"),
    "maxvit": torchvision_model(
        "MaxVit", 32, input_size=(32, 32), stem_channels=16, partition_size=4, block_channels=[16, 32],
        block_layers=[1, 1], head_dim=16, stochastic_depth_prob=0.0,
    ),
    "unet": unet,
    "lstm_tagger": lstm_tagger,
    "gru_translator": gru_translator,
    "scripted_loop": scripted_loop,
    "torch_transformer": torch_transformer,
    "detector": detector,
}  # fmt: skip


QUANTIZED = ("bert", "gpt2", "vit", "resnet18")


def enliven(module: nn.Module) -> None:
    """Draws weights so that every part matters to the result: initial ones leave biases and layer scales zero."""
    for name, values in [*module.named_parameters(), *module.named_buffers()]:
        if name.endswith("running_var"):
            nn.init.uniform_(values, 0.5, 1.5)
        elif name.endswith("running_mean") or (isinstance(values, nn.Parameter) and values.dim() < 2):
            values.data += 0.1 * torch.randn_like(values)
        elif isinstance(values, nn.Parameter):
            nn.init.normal_(values, 0.0, (values.shape[0] / values.numel()) ** 0.5)


def export(
    name: str, path: Path, exporter: str = "dynamo", dynamic: bool = False, half: bool = False
) -> dict[str, Any]:
    """Writes the model and returns its inputs as arrays; raises what the exporter raises."""
    torch.manual_seed(20)
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operators have no ONNX form
    made = MODELS[name]()
    module = made.module.eval()
    enliven(module)
    inputs = made.inputs
    if half:
        module = module.half()
        inputs = {n: v.half() if v.is_floating_point() else v for n, v in inputs.items()}
    values = tuple(inputs.values())
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if exporter == "dynamo":
            _by_dynamo(module, values, made, path, dynamic)
        else:
            axes = made.dynamic if dynamic else None
            torch.onnx.export(
                module, values, str(path), input_names=list(inputs), dynamic_axes=axes, dynamo=False, opset_version=17
            )
    return {n: v.numpy() for n, v in inputs.items()}


def _by_dynamo(module: nn.Module, values: tuple[Tensor, ...], made: Made, path: Path, dynamic: bool) -> None:
    """torch.export and its ONNX exporter."""
    shapes: Any = None
    if dynamic and made.dynamic:
        shapes = [
            {axis: torch.export.Dim.DYNAMIC for axis in made.dynamic.get(name, {})} or None for name in made.inputs
        ]
        shapes = (tuple(shapes),) if isinstance(module, First) else tuple(shapes)
    torch.onnx.export(
        module, values, str(path), input_names=list(made.inputs), dynamo=True, dynamic_shapes=shapes,
        external_data=False, verbose=False,
    )  # fmt: skip


def quantize(path: Path, quantized: Path, inputs: dict[str, Any], kind: str) -> None:
    """ONNX Runtime's quantisation: static with QuantizeLinear and DequantizeLinear around each node, or dynamic.

    Weights are of 8 bits without a sign, as activations are: with others ONNX Runtime's sums saturate on older CPUs.
    """
    from onnxruntime import quantization as q

    if kind == "dynamic":
        q.quantize_dynamic(str(path), str(quantized), weight_type=q.QuantType.QUInt8)
        return

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [inputs]

        def get_next(self) -> dict[str, Any] | None:
            return self.left.pop() if self.left else None

    q.quantize_static(str(path), str(quantized), Reader())
