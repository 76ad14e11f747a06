"""A generator as an ONNX model, written layer by layer from `hrstyle.engine.layers`.

The model includes padding, normalisation and cropping, so it takes a picture of any height and
width. Its weights keep their names in the generator's `state_dict`. (torch.onnx takes half a minute
for this network instead of 0.1 s, and its model fails for sides that are no multiples of `stride`:
torch 2.14, `dynamo=True`, dynamic height and width.)
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from hrstyle import __version__
from hrstyle.engine.layers import Layer, read_layers
from hrstyle.generator.base import Generator

DTYPES = {"float32": torch.float32, "float16": torch.float16}

# Old enough for common runtimes, new enough for every operation used here.
_OPSET, _IR_VERSION = 17, 8
_ENDS = {
    "picture": "float32, RGB, 0 to 1, NCHW, any height and width",
    "painted": "float32, RGB, 0 to 1, NCHW, the size of the picture",
}


def onnx_bytes(generator: Generator, *, style: str, dtype: str = "float32") -> bytes:
    """The ONNX model of a float32 generator in eval mode, ready to be written to a file.

    Input `picture` and output `painted`: float32 `(N, 3, height, width)`, RGB in [0, 1].
    """
    graph = _Graph(generator, DTYPES[dtype])
    model = graph.model(style or "style", [*graph.constants, *graph.weights.values()])
    model.producer_version = __version__
    graph.onnx.helper.set_model_props(model, {"style": style, **_ENDS})
    graph.onnx.checker.check_model(model)
    return model.SerializeToString()


def onnx_template(generator: Generator) -> bytes:
    """The ONNX model of all generators of this `config`: it takes the weights as further inputs.

    `compiled.compile_template` fills them in.
    """
    graph = _Graph(generator, torch.float32)
    helper = graph.onnx.helper
    model = graph.model("template", graph.constants)
    for name, weight in graph.weights.items():
        model.graph.input.append(
            helper.make_tensor_value_info(name, weight.data_type, tuple(weight.dims))
        )
    graph.onnx.checker.check_model(model)
    return model.SerializeToString()


class _Graph:
    """Builds an ONNX graph. Its methods take and return the names of values in the graph."""

    def __init__(self, generator: Generator, dtype: torch.dtype):
        import onnx  # here, because the import is slow and only exporting needs it

        self.onnx = onnx
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.weights: dict[str, Any] = {}
        # By identity: layers hold the generator's own tensors.
        self._names = {id(v): name for name, v in generator.state_dict(keep_vars=True).items()}
        self.add_generator(generator)

    def op(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant: a tensor (in the network's dtype by default), or integers (int64)."""
        weight = self._names.get(id(value))
        if isinstance(value, Tensor):
            value = value.detach().cpu().to(dtype or self.dtype).numpy()
        else:
            value = np.array(value, dtype=dtype or np.int64)
        name = weight or f"constant_{len(self.constants)}"
        constant = self.onnx.numpy_helper.from_array(value, name)
        if weight:
            self.weights[name] = constant
        else:
            self.constants.append(constant)
        return name

    def add_generator(self, generator: Generator) -> None:
        """`Generator.forward`, from `picture` to `painted`, with the output clamped to [0, 1]."""
        mean, std = (self.constant(x, torch.float32) for x in (generator.mean, generator.std))
        height, width = self.sizes("picture")
        x = self.pad("picture", height, axis=2, stride=generator.stride)
        x = self.pad(x, width, axis=3, stride=generator.stride)
        x = self.cast(self.op("Div", self.op("Sub", x, mean), std), self.dtype)
        values: dict[Layer, str] = {}
        for layer in read_layers(generator):
            inputs = [values[before] for before in layer.inputs]
            values[layer] = self.add_layer(layer, inputs) if inputs else x
            x = values[layer]
        x = self.op("Add", self.op("Mul", self.cast(x, torch.float32), std), mean)
        ends = self.op("Concat", height, width, axis=0)
        x = self.op("Slice", x, self.constant([0, 0]), ends, self.constant([2, 3]))
        zero, one = (self.constant(v, np.float32) for v in (0, 1))
        self.op("Clip", x, zero, one, output="painted")

    def add_layer(self, layer: Layer, inputs: list[str]) -> str:
        s = layer.settings
        if layer.kind == "conv":
            return self.convolution(s, inputs[0])
        if layer.kind == "norm":
            ones = torch.ones(layer.channels)
            weight, bias = (ones, 0 * ones) if s["weight"] is None else (s["weight"], s["bias"])
            parameters = (self.constant(weight), self.constant(bias))
            return self.op("InstanceNormalization", inputs[0], *parameters, epsilon=s["eps"])
        if layer.kind == "noise":
            return self.op("Add", inputs[0], self.noise(s, inputs[0]))
        if layer.kind == "upsample":
            scales = self.constant([1, 1, s["factor"], s["factor"]], np.float32)
            kind = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
            return self.op("Resize", inputs[0], "", scales, **kind)
        if layer.kind == "cat":
            return self.op("Concat", *inputs, axis=1)
        return self.op({"relu": "Relu", "add": "Add"}[layer.kind], *inputs)

    def convolution(self, s: dict[str, Any], x: str) -> str:
        padding = s["padding"]
        if padding and s["mirrored"]:
            x = self.op("Pad", x, self.constant([0, 0, padding, padding] * 2), mode="reflect")
            padding = 0
        bias = [] if s["bias"] is None else [self.constant(s["bias"])]
        weight = self.constant(s["weight"])
        return self.op("Conv", x, weight, *bias, strides=[s["step"]] * 2, pads=[padding] * 4)

    def noise(self, s: dict[str, Any], x: str) -> str:
        period = self.constant([s["pattern"].shape[0]])
        pattern = self.constant(s["pattern"])
        for axis, size in enumerate(self.sizes(x)):
            index = self.op("Mod", self.range(size), period)
            pattern = self.op("Gather", pattern, index, axis=axis)
        return self.op("Mul", self.constant(s["weight"]), pattern)

    def sizes(self, x: str) -> tuple[str, str]:
        """Height and width of `x`, each as a vector of one number."""
        shape = self.op("Shape", x)
        height, width = (self.op("Gather", shape, self.constant([axis])) for axis in (2, 3))
        return height, width

    def range(self, size: str) -> str:
        """The vector 0, 1, ..., size - 1."""
        start, end, step = self.constant(0), self.op("Squeeze", size), self.constant(1)
        return self.op("Range", start, end, step)

    def pad(self, x: str, size: str, *, axis: int, stride: int) -> str:
        """`generator.pad_to_multiple` along one axis: gathers rows by computed indices."""
        one, step, least = (self.constant([n]) for n in (1, stride, 2 * stride))
        up = self.op("Div", self.op("Add", size, self.constant([stride - 1])), step)
        total = self.op("Max", self.op("Mul", up, step), least)
        index = self.range(total)
        last = self.op("Sub", size, one)
        mirrored = self.op("Sub", self.op("Add", last, last), index)
        can_mirror = self.op("Less", self.op("Sub", total, size), size)
        beyond = self.op("Where", can_mirror, mirrored, last)
        inside = self.op("Less", index, size)
        return self.op("Gather", x, self.op("Where", inside, index, beyond), axis=axis)

    def cast(self, x: str, dtype: torch.dtype) -> str:
        if self.dtype == torch.float32:
            return x
        types = {torch.float32: "FLOAT", torch.float16: "FLOAT16"}
        return self.op("Cast", x, to=getattr(self.onnx.TensorProto, types[dtype]))

    def model(self, name: str, constants: list[Any]) -> Any:
        helper, float32 = self.onnx.helper, self.onnx.TensorProto.FLOAT
        picture, painted = (
            helper.make_tensor_value_info(end, float32, ["batch", 3, "height", "width"], doc)
            for end, doc in _ENDS.items()
        )
        graph = helper.make_graph(self.nodes, name, [picture], [painted], constants)
        return helper.make_model(
            graph,
            producer_name="hrstyle",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
