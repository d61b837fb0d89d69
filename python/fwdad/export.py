"""ONNX: a trained model for other programs to run. Needs the extra `onnx`.

A row of `EXPORTS` says how one kind of layer or model becomes nodes of the graph; what has no row is refused,
subclasses included, since they may compute something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import __version__, nn
from fwdad.nn.models.resnet import BasicBlock

OPSET = 17
INPUT, OUTPUT = "input", "output"


class ExportError(ValueError):
    """A model that cannot be exported; the message says which part of it, and why."""


class Graph:
    """The nodes and constants of an ONNX graph under construction; values go by their names."""

    def __init__(self) -> None:
        try:
            import onnx
        except ModuleNotFoundError as error:
            raise ExportError("ONNX files need onnx: pip install 'fwdad[onnx]'") from error
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, array: Any) -> str:
        """The name of a constant array."""
        name = f"constant{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; the name of its output."""
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def like(self, value: float, array: Any) -> str:
        """The name of a constant number in the dtype of an array."""
        return self.constant(np.asarray(value, array.dtype))

    def apply(self, layer: Any, x: str) -> str:
        """The name of ``layer(x)``."""
        if type(layer) not in EXPORTS:
            raise ExportError(f"{type(layer).__name__} cannot be exported to ONNX; {', '.join(_names())} can")
        return EXPORTS[type(layer)](self, layer, x)


def to_onnx(model: Any, shape: tuple[int, ...], about: dict[str, str] | None = None) -> Any:
    """The model in evaluation mode as an ``onnx.ModelProto``: ``input`` (batch, *shape) to ``output`` (batch, outputs).

    shape : of one input, (C, H, W) or (D,). about : what to note in the file's metadata.
    Raises `ExportError` for a layer that has no export, or if onnx is missing.

    >>> file = to_onnx(nn.MLP((3, 4, 2)), (3,))
    >>> [node.op_type for node in file.graph.node]
    ['Gemm', 'Relu', 'Gemm', 'Identity']
    """
    graph = Graph()
    helper = graph.onnx.helper
    graph.nodes.append(helper.make_node("Identity", [graph.apply(model, INPUT)], [OUTPUT]))
    kind = graph.constants[0].data_type if graph.constants else graph.onnx.TensorProto.FLOAT
    values = [
        helper.make_tensor_value_info(name, kind, ["batch", *sizes])
        for name, sizes in ((INPUT, shape), (OUTPUT, ("outputs",)))
    ]
    made = helper.make_model(
        helper.make_graph(graph.nodes, type(model).__name__, values[:1], values[1:], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,  # that of the opset, which older runtimes read too
        producer_name="fwdad",
        producer_version=__version__,
    )
    helper.set_model_props(made, about or {})
    graph.onnx.checker.check_model(made)
    return made


# ---- layers


def _activation(graph: Graph, name: str, x: str, array: Any) -> str:
    """``name(x)``, for x in the dtype of an array."""
    if name == "identity":
        return x
    if name == "silu":
        return graph.op("Mul", x, graph.op("Sigmoid", x))
    if name == "gelu":
        erf = graph.op("Erf", graph.op("Mul", x, graph.like(np.sqrt(0.5), array)))
        return graph.op("Mul", graph.op("Mul", graph.like(0.5, array), x), graph.op("Add", graph.like(1, array), erf))
    kinds = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "softplus": "Softplus", "elu": "Elu"}
    if name == "leaky-relu":
        return graph.op("LeakyRelu", x, alpha=0.01)
    return graph.op(kinds[name], x)


def _linear(graph: Graph, layer: nn.Linear, x: str) -> str:
    bias = [] if layer.bias is None else [graph.constant(layer.bias)]
    z = graph.op("Gemm", x, graph.constant(layer.weight), *bias)
    return _activation(graph, layer.activation, z, layer.weight)


def _window(at: Any) -> dict[str, Any]:
    """The attributes of a convolution or pooling."""
    (top, left), names = at.padding, ("kernel_shape", "strides", "dilations")
    return dict(zip(names, (at.kernel, at.stride, at.dilation), strict=True)) | {"pads": (top, left, top, left)}


def _conv(graph: Graph, layer: nn.Conv2d, x: str) -> str:
    bias = [] if layer.bias is None else [graph.constant(layer.bias)]
    weight = graph.constant(np.transpose(layer.weight, (3, 2, 0, 1)))  # to (outputs, inputs, height, width)
    z = graph.op("Conv", x, weight, *bias, group=layer.groups, **_window(layer.at))
    return _activation(graph, layer.activation, z, layer.weight)


def _max_pool(graph: Graph, layer: nn.MaxPool2d, x: str) -> str:
    return graph.op("MaxPool", x, **_window(layer.at))


def _average_pool(graph: Graph, layer: nn.AvgPool2d, x: str) -> str:
    attributes = _window(layer.at)
    del attributes["dilations"]  # of 1, and not known to this opset
    return graph.op("AveragePool", x, count_include_pad=1, **attributes)


def _global_pool(graph: Graph, layer: nn.AdaptiveAvgPool2d, x: str) -> str:
    if layer.output != (1, 1):
        raise ExportError(f"AdaptiveAvgPool2d({layer.output}) has no operator in ONNX; with an output of 1 it has")
    return graph.op("GlobalAveragePool", x)


def _batch_norm(graph: Graph, layer: nn.BatchNorm, x: str) -> str:
    arrays = (layer.weight, layer.bias, layer.running_mean.value, layer.running_var.value)
    return graph.op("BatchNormalization", x, *map(graph.constant, arrays), epsilon=layer.epsilon)


def _chain(graph: Graph, model: Any, x: str) -> str:
    for layer in model.layers:
        x = graph.apply(layer, x)
    return x


def _residual(graph: Graph, layer: nn.Residual, x: str) -> str:
    shortcut = x if layer.shortcut is None else graph.apply(layer.shortcut, x)
    return graph.op("Add", shortcut, graph.apply(layer.body, x))


def _flat(graph: Graph, x: str) -> str:
    return graph.op("Flatten", x, axis=1)


# ---- models, each as its __call__ says


def _convnet(graph: Graph, model: Any, x: str) -> str:
    for conv in model.convs:
        x = graph.apply(conv, x)
    return graph.apply(model.fc, _flat(graph, x))


def _lenet(graph: Graph, model: Any, x: str) -> str:
    for layer in (model.conv1, model.pool, model.conv2, model.pool):
        x = graph.apply(layer, x)
    x = _flat(graph, x)
    for layer in (model.fc1, model.fc2, model.fc3):
        x = graph.apply(layer, x)
    return x


def _basic_block(graph: Graph, block: Any, x: str) -> str:
    y = graph.op("Relu", graph.apply(block.bn1, graph.apply(block.conv1, x)))
    y = graph.apply(block.bn2, graph.apply(block.conv2, y))
    for layer in block.downsample or ():
        x = graph.apply(layer, x)
    return graph.op("Relu", graph.op("Add", x, y))


def _resnet(graph: Graph, model: Any, x: str) -> str:
    x = graph.apply(model.maxpool, graph.op("Relu", graph.apply(model.bn1, graph.apply(model.conv1, x))))
    for block in (*model.layer1, *model.layer2, *model.layer3, *model.layer4):
        x = graph.apply(block, x)
    return graph.apply(model.fc, _flat(graph, graph.apply(model.avgpool, x)))


EXPORTS: dict[type, Callable[[Graph, Any, str], str]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _average_pool,
    nn.AdaptiveAvgPool2d: _global_pool,
    nn.BatchNorm: _batch_norm,
    nn.Dropout: lambda graph, layer, x: x,
    nn.Activation: lambda graph, layer, x: _activation(graph, layer.name, x, np.empty(0, np.float32)),
    nn.Flatten: lambda graph, layer, x: _flat(graph, x),
    nn.Residual: _residual,
    nn.Sequential: _chain,
    nn.MLP: _chain,
    nn.models.ImageMLP: lambda graph, model, x: _chain(graph, model, _flat(graph, x)),
    nn.models.ConvNet: _convnet,
    nn.models.LeNet5: _lenet,
    BasicBlock: _basic_block,
    nn.models.ResNet: _resnet,
}


def _names() -> list[str]:
    return [kind.__name__ for kind in EXPORTS]
