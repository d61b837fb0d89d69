"""ONNX: a trained model for other programs to run. Needs the extra `onnx`.

A row of `EXPORTS` says how one class of layers or models becomes nodes of the graph, the row of an activation in
`fwdad.functions.ACTIVATIONS` how that does. What has no row is refused. Subclasses are refused too, since they may
compute something else.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import __version__, functions, nn, tree
from fwdad.data.facts import Column, Facts
from fwdad.nn.models.resnet import BasicBlock
from fwdad.nn.models.transformer import EncoderLayer, MixerBlock, Perceptron

OPSET = 17
WORDS, OPSET_OF_WORDS = "ai.onnx.ml", 3  # the operators that know words
INPUT, OUTPUT, OURS = "input", "output", "fwdad/"

Inputs = dict[str, tuple[int, tuple[int, ...]]]
"""The inputs of a graph by their names, each with ONNX's number of its dtype and the sizes of an example."""


class ExportError(ValueError):
    """A model that cannot be exported; the message says which part of it, and why."""


class Graph:
    """The nodes and constants of an ONNX graph under construction, in which a value is known by its name."""

    def __init__(self) -> None:
        try:
            import onnx
        except ModuleNotFoundError as error:
            raise ExportError("ONNX files need onnx: pip install 'fwdad[onnx]'") from error
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, array: Any) -> str:
        """Add a constant array; return its name."""
        name = f"{OURS}constant{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        name = f"{OURS}{kind.lower()}{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def kind(self, dtype: np.dtype[Any]) -> int:
        """Return ONNX's number of a dtype."""
        number: int = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
        return number

    def like(self, value: float, array: Any) -> str:
        """Add a constant number in the dtype of an array; return its name."""
        return self.constant(np.asarray(value, array.dtype))

    def apply(self, layer: Any, x: str) -> str:
        """Add the nodes of a layer; return the name of ``layer(x)``."""
        if type(layer) not in EXPORTS:
            raise ExportError(f"{type(layer).__name__} cannot be exported to ONNX; {', '.join(_names())} can")
        return EXPORTS[type(layer)](self, layer, x)

    def chain(self, x: str, *layers: Any) -> str:
        """Add the nodes of several layers; return the name of ``layers[-1](... layers[0](x))``."""
        for layer in layers:
            x = self.apply(layer, x)
        return x

    def reshape(self, x: str, *shape: int) -> str:
        """Give x another shape, in which 0 keeps the size of an axis and -1 is what remains."""
        return self.op("Reshape", x, self.constant(np.array(shape)))

    def transpose(self, x: str, *axes: int) -> str:
        """Put the axes of x in another order."""
        return self.op("Transpose", x, perm=axes)

    def entry(self, x: str, i: int, axis: int) -> str:
        """Take entry i along an axis, and drop the axis."""
        return self.op("Gather", x, self.constant(np.array(i)), axis=axis)


def to_onnx(model: Any, shape: tuple[int, ...], about: dict[str, str] | None = None, facts: Facts | None = None) -> Any:
    """Return the model in evaluation mode as an ONNX file: ``input`` (batch, *shape) to ``output`` (batch, outputs).

    With `facts`, the file takes what the data's own files hold, ``input`` (batch, *facts.shape) in their dtype, and
    gives the probabilities of the classes, or values in the units of the data. A table that has columns of words has an
    input (batch, 1) for each column, by its name.

    Parameters
    ----------
    model : Module
    shape : tuple of int
        The shape of one input of the model, (C, H, W) or (D,).
    about : dict of str
        What to note in the metadata of the file.
    facts : Facts
        What is known of the data; it goes into the metadata, as JSON.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ExportError
        For a layer that has no export, or if onnx is missing.

    Examples
    --------
    >>> file = to_onnx(nn.MLP((3, 4, 2)), (3,))
    >>> [node.op_type for node in file.graph.node]
    ['MatMul', 'Add', 'Relu', 'MatMul', 'Add', 'Identity']
    """
    graph = Graph()
    helper = graph.onnx.helper
    arrays = [leaf for leaf in tree.leaves(model) if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"]
    dtype = arrays[0].dtype if arrays else np.dtype(np.float32)
    kind = graph.kind(dtype)
    taken: Inputs
    if facts is None:
        taken, end = {INPUT: (kind, shape)}, graph.apply(model, INPUT)
    else:
        about = (about or {}) | {name: json.dumps(value) for name, value in dataclasses.asdict(facts).items()}
        del about["origin"]  # whoever gets the file has no need of a path of this machine
        taken, start = _from_file(graph, facts, kind)
        end = _to_user(graph, facts, graph.apply(model, start), kind)
    graph.nodes.append(helper.make_node("Identity", [end], [OUTPUT]))
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            type(model).__name__,
            [helper.make_tensor_value_info(name, of, ["batch", *size]) for name, (of, size) in taken.items()],
            [helper.make_tensor_value_info(OUTPUT, kind, ["batch", facts.outputs if facts else "outputs"])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(WORDS, OPSET_OF_WORDS)],
        ir_version=8,  # that of the opset, which older runtimes read too
        producer_name="fwdad",
        producer_version=__version__,
    )
    helper.set_model_props(made, about or {})
    graph.onnx.checker.check_model(made)
    return made


def _from_file(graph: Graph, facts: Facts, kind: int) -> tuple[Inputs, str]:
    """Add what is done to a file's numbers; return the inputs with their dtypes and sizes, and what the model takes.

    In float64, as `Facts.inputs` does it.
    """
    double = graph.onnx.TensorProto.DOUBLE
    taken: Inputs
    if any(column.words for column in facts.columns):
        taken = {c.name: (graph.onnx.TensorProto.STRING if c.words else double, (1,)) for c in facts.columns}
        for name in taken:
            if name == OUTPUT or name.startswith(OURS):
                raise ExportError(
                    f"a column cannot be called {name!r} in an ONNX file; train on a table with another name"
                )
        x = graph.op("Concat", *(_column(graph, column) for column in facts.columns), axis=1)
    else:
        taken = {INPUT: (graph.kind(np.dtype(facts.dtype)), facts.shape)}
        x = graph.op("Cast", INPUT, to=double)
    if facts.channels_last:
        x = graph.transpose(x, 0, 3, 1, 2)
    elif len(facts.shape) == 2:
        x = graph.reshape(x, -1, *facts.input_shape)
    ones = (1,) * (len(facts.input_shape) - 1)
    x = graph.op("Sub", x, graph.constant(np.reshape(facts.mean, (-1, *ones))))
    x = graph.op("Mul", x, graph.constant(np.reshape(facts.scale, (-1, *ones))))
    return taken, graph.op("Cast", x, to=kind)


def _column(graph: Graph, column: Column) -> str:
    """Add what makes a column (batch, 1) inputs of the model: nothing, or its words as 0 and 1."""
    if not column.words:
        return column.name
    hot = graph.op("OneHotEncoder", column.name, cats_strings=column.words, zeros=0, domain=WORDS)  # others: an error
    return graph.op("Cast", graph.reshape(hot, 0, -1), to=graph.onnx.TensorProto.DOUBLE)


def _to_user(graph: Graph, facts: Facts, x: str, kind: int) -> str:
    """Add what makes the model's outputs probabilities, or values in the units of the data."""
    if facts.classes is not None:
        return graph.op("Softmax", x, axis=-1)
    x = graph.op("Cast", x, to=graph.onnx.TensorProto.DOUBLE)
    x = graph.op("Add", graph.op("Mul", x, graph.constant(facts.target_std)), graph.constant(facts.target_mean))
    return graph.op("Cast", x, to=kind)


# ---- layers


def _activation(graph: Graph, name: str, x: str, array: Any) -> str:
    """Add the nodes of an activation of x, which is in the dtype of an array."""
    onnx = functions.activation_row(name).onnx
    if onnx is None:
        raise ExportError(f"the activation {name!r} cannot be exported to ONNX: its row has no onnx")
    return onnx(graph, x, array)


"""Name -> the nodes of the activation of x, which has the dtype of an array."""


def _linear(graph: Graph, layer: nn.Linear, x: str) -> str:
    z = graph.op("MatMul", x, graph.constant(layer.weight))  # Gemm takes matrices only
    if layer.bias is not None:
        z = graph.op("Add", z, graph.constant(layer.bias))
    return _activation(graph, layer.activation, z, layer.weight)


def _window(window: Any) -> dict[str, Any]:
    """Return the attributes of a convolution or pooling."""
    return {
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "dilations": window.dilation,
        "pads": window.padding + window.padding,
    }


def _conv(graph: Graph, layer: nn.Conv2d, x: str) -> str:
    bias = [] if layer.bias is None else [graph.constant(layer.bias)]
    weight = graph.constant(np.transpose(layer.weight, (3, 2, 0, 1)))  # to (outputs, inputs, height, width)
    z = graph.op("Conv", x, weight, *bias, group=layer.groups, **_window(layer.window))
    return _activation(graph, layer.activation, z, layer.weight)


def _max_pool(graph: Graph, layer: nn.MaxPool2d, x: str) -> str:
    return graph.op("MaxPool", x, **_window(layer.window))


def _average_pool(graph: Graph, layer: nn.AvgPool2d, x: str) -> str:
    attributes = _window(layer.window)
    del attributes["dilations"]  # of 1, and not known to this opset
    return graph.op("AveragePool", x, count_include_pad=1, **attributes)


def _global_pool(graph: Graph, layer: nn.AdaptiveAvgPool2d, x: str) -> str:
    if layer.output_size != (1, 1):
        raise ExportError(
            f"ONNX has no operator for AdaptiveAvgPool2d({layer.output_size}), only for an output size of 1"
        )
    return graph.op("GlobalAveragePool", x)


def _batch_norm(graph: Graph, layer: nn.BatchNorm, x: str) -> str:
    arrays = (layer.weight, layer.bias, layer.running_mean.value, layer.running_var.value)
    return graph.op("BatchNormalization", x, *map(graph.constant, arrays), epsilon=layer.eps)


def _layer_norm(graph: Graph, layer: nn.LayerNorm, x: str) -> str:
    arrays = map(graph.constant, (layer.weight, layer.bias))
    return graph.op("LayerNormalization", x, *arrays, axis=-layer.weight.ndim, epsilon=layer.eps)


def _patches(graph: Graph, layer: nn.PatchEmbedding, x: str) -> str:
    return graph.transpose(graph.reshape(_conv(graph, layer, x), 0, layer.weight.shape[-1], -1), 0, 2, 1)


def _class_token(graph: Graph, layer: nn.ClassToken, x: str) -> str:
    """Put zeros in the token's place, and add the token with the positions: this needs no size of the batch."""
    added = layer.position.copy()
    added[:, :1] += layer.class_token
    front = graph.op("Pad", x, graph.constant(np.array([0, 1, 0, 0, 0, 0])))
    return graph.op("Add", front, graph.constant(added))


def _attention(graph: Graph, layer: nn.MultiHeadAttention, x: str) -> str:
    width = layer.out_proj.weight.shape[0]
    size = width // layer.num_heads
    split = graph.reshape(graph.apply(layer.in_proj, x), 0, 0, 3, layer.num_heads, size)
    split = graph.transpose(split, 2, 0, 3, 1, 4)  # to (3, batch, heads, positions, size)
    q, k, v = (graph.entry(split, i, axis=0) for i in range(3))
    q = graph.op("Mul", q, graph.like(1 / np.sqrt(size), layer.in_proj.weight))
    # Up to 1.23, onnxruntime makes one node of Transpose and MatMul, which it has for float32 alone.
    scores = graph.op("Einsum", q, k, equation="bhqd,bhkd->bhqk")
    heads = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), v)
    return graph.apply(layer.out_proj, graph.reshape(graph.transpose(heads, 0, 2, 1, 3), 0, 0, width))


def _residual(graph: Graph, layer: nn.Residual, x: str) -> str:
    shortcut = x if layer.shortcut is None else graph.apply(layer.shortcut, x)
    return graph.op("Add", shortcut, graph.apply(layer.body, x))


def _flat(graph: Graph, x: str) -> str:
    return graph.op("Flatten", x, axis=1)


# ---- models: the same steps as in their __call__


def _convnet(graph: Graph, model: Any, x: str) -> str:
    return graph.apply(model.fc, _flat(graph, graph.chain(x, *model.convs)))


def _lenet(graph: Graph, model: Any, x: str) -> str:
    x = _flat(graph, graph.chain(x, model.conv1, model.pool, model.conv2, model.pool))
    return graph.chain(x, model.fc1, model.fc2, model.fc3)


def _basic_block(graph: Graph, block: Any, x: str) -> str:
    y = graph.op("Relu", graph.chain(x, block.conv1, block.bn1))
    y = graph.chain(y, block.conv2, block.bn2)
    return graph.op("Relu", graph.op("Add", graph.chain(x, *(block.downsample or ())), y))


def _resnet(graph: Graph, model: Any, x: str) -> str:
    x = graph.op("Relu", graph.chain(x, model.conv1, model.bn1))
    x = graph.chain(x, model.maxpool, *model.layer1, *model.layer2, *model.layer3, *model.layer4, model.avgpool)
    return graph.apply(model.fc, _flat(graph, x))


def _encoder_layer(graph: Graph, layer: Any, x: str) -> str:
    x = graph.op("Add", x, graph.chain(x, layer.ln_1, layer.self_attention))
    return graph.op("Add", x, graph.chain(x, layer.ln_2, layer.fc1, layer.fc2))


def _vit(graph: Graph, model: Any, x: str) -> str:
    x = graph.chain(x, model.conv_proj, model.tokens, *model.layers)
    return graph.chain(graph.entry(x, 0, axis=1), model.ln, model.head)


def _mixer_block(graph: Graph, block: Any, x: str) -> str:
    y = graph.apply(block.mlp_tokens, graph.transpose(graph.apply(block.norm1, x), 0, 2, 1))
    x = graph.op("Add", x, graph.transpose(y, 0, 2, 1))
    return graph.op("Add", x, graph.chain(x, block.norm2, block.mlp_channels))


def _mixer(graph: Graph, model: Any, x: str) -> str:
    x = graph.chain(x, model.stem, *model.blocks, model.norm)
    return graph.apply(model.head, graph.op("ReduceMean", x, axes=(1,), keepdims=0))


EXPORTS: dict[type, Callable[[Graph, Any, str], str]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _average_pool,
    nn.AdaptiveAvgPool2d: _global_pool,
    nn.BatchNorm: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.PatchEmbedding: _patches,
    nn.ClassToken: _class_token,
    nn.MultiHeadAttention: _attention,
    nn.Dropout: lambda graph, layer, x: x,
    nn.Activation: lambda graph, layer, x: _activation(graph, layer.name, x, np.empty(0, np.float32)),
    nn.Flatten: lambda graph, layer, x: _flat(graph, x),
    nn.Residual: _residual,
    nn.Sequential: lambda graph, model, x: graph.chain(x, *model.layers),
    nn.MLP: lambda graph, model, x: graph.chain(x, *model.layers),
    nn.models.ImageMLP: lambda graph, model, x: graph.chain(_flat(graph, x), *model.layers),
    nn.models.ConvNet: _convnet,
    nn.models.LeNet5: _lenet,
    BasicBlock: _basic_block,
    nn.models.ResNet: _resnet,
    EncoderLayer: _encoder_layer,
    nn.models.ViT: _vit,
    Perceptron: lambda graph, layer, x: graph.chain(x, layer.fc1, layer.fc2),
    MixerBlock: _mixer_block,
    nn.models.MLPMixer: _mixer,
}


def _names() -> list[str]:
    return [kind.__name__ for kind in EXPORTS]
