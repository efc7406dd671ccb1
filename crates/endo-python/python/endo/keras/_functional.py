"""Models made of symbolic inputs and outputs: `keras.Model(inputs, outputs)`.

What leads from the inputs to the outputs are records of calls. Their layers belong to the model,
and its `call` does the same on data.
"""

import re

import numpy as np

from .. import _native
from .._dtypes import TensorShape
from .._structure import flatten
from .._symbolic import KerasTensor, any_in, replaced, sample_sizes
from ._layer import Layer
from ._named import names_of
from ._saving import defined


class Graph:
    """The calls that lead from inputs to outputs, in their order."""

    def __init__(self, inputs, outputs):
        for name, structure in (("inputs", inputs), ("outputs", outputs)):
            for leaf in flatten(structure):
                if not isinstance(leaf, KerasTensor):
                    raise ValueError(
                        f"`{name}` of keras.Model holds what is no symbolic tensor: {leaf!r}\n"
                        "  help: make inputs by keras.Input(shape=..), and outputs by calling "
                        "layers on them"
                    )
            if not flatten(structure):
                raise ValueError(
                    f"`{name}` of keras.Model is empty\n"
                    "  help: give the tensors of keras.Input, and what layers make of them"
                )
        self.inputs, self.outputs = inputs, outputs
        # What `add_loss` and `add_metric` were given after the model was made.
        self.terms = []
        self._walk()

    def _walk(self):
        """Finds the calls and their layers, in Keras's order: by the number of calls that stand
        between them and the outputs, most before fewer."""
        begins = {id(one): self._beginning(one) for one in flatten(self.inputs)}
        order, found, places = [], set(), {}

        def maker(symbol):
            record = begins.get(id(symbol), symbol.record)
            if not record.arguments and id(symbol) not in begins:
                raise ValueError(
                    f"the outputs depend on the input `{symbol.name}`, which is not among "
                    "`inputs`\n  help: give keras.Model all inputs from which outputs are computed"
                )
            return record

        def visit(record):
            if id(record) in found:
                return
            found.add(id(record))
            places.setdefault(id(record.function), len(places))
            for symbol in record.inputs:
                visit(maker(symbol))
            order.append(record)

        for symbol in [*flatten(self.outputs), *(symbol for symbol, *_ in self.terms)]:
            visit(maker(symbol))
        depths, of_functions = {}, {}
        for record in reversed(order):
            depth = max(depths.get(id(record), 0), of_functions.get(id(record.function), 0))
            depths[id(record)] = of_functions[id(record.function)] = depth
            for symbol in record.inputs:
                one = id(maker(symbol))
                depths[one] = max(depth + 1, depths.get(one, 0))
        self.records = sorted((one for one in order if one.arguments), key=lambda one: one.number)
        self.input_layers = [one.function for one in begins.values()]
        called = [*self.input_layers, *(one.function for one in order)]
        layers = {id(one): one for one in called if isinstance(one, Layer)}
        self.layers = sorted(
            layers.values(), key=lambda one: (-of_functions.get(id(one), 0), places.get(id(one), 0))
        )
        taken = [(record.arguments, record.options) for record in self.records]
        self.variables = _variables_in(taken)

    @staticmethod
    def _beginning(symbol):
        """The record of an input: its own, or one for a tensor in the middle."""
        from .layers import InputLayer

        if isinstance(symbol.record.function, InputLayer):
            return symbol.record
        layer = InputLayer(tuple(symbol.shape[1:]), dtype=symbol.dtype, name=symbol.name)
        return layer.output.record

    def name_layers(self):
        """Gives layers without a name those that the model has for them, in the order of their
        calls; raises where two have one name."""
        given, counts = {}, {}
        for layer in self.layers:
            name = layer._given_name
            if name is not None and given.setdefault(name, layer) is not layer:
                raise ValueError(
                    f"two layers of the model are called `{name}`\n"
                    "  help: give each a `name` of its own"
                )
        calls = [*self.input_layers, *(record.function for record in self.records)]
        named = set()
        for layer in calls:
            if not isinstance(layer, Layer) or layer._given_name or id(layer) in named:
                continue
            named.add(id(layer))
            kind = getattr(layer, "_native_name", None) or names_of(type(layer).__name__)
            name, number = kind, counts.get(kind, 0)
            while number and (name := f"{kind}_{number}") in given or name in given:
                number += 1
                name = f"{kind}_{number}"
            counts[kind] = number + 1
            object.__setattr__(layer, "_scope_name", name)

    def add_term(self, symbol, name, is_loss):
        """Has the model report a symbolic tensor as a term of its loss, or as a metric."""
        self.terms.append((symbol, name, is_loss))
        try:
            self._walk()
        except ValueError:
            self.terms.pop()
            raise

    def run(self, inputs):
        """What the outputs and the terms are for inputs."""
        values = dict(zip(map(id, flatten(self.inputs)), self._fitted(inputs), strict=True))
        for record in self.records:
            found = flatten(record.run(lambda symbol: values[id(symbol)]))
            values.update(zip(map(id, record.outputs), found))
        terms = [(values[id(symbol)], *rest) for symbol, *rest in self.terms]
        return replaced(self.outputs, lambda symbol: values[id(symbol)]), terms

    def _fitted(self, inputs):
        """The inputs in their order, of the declared shapes and types."""
        symbols = flatten(self.inputs)
        if isinstance(inputs, dict) and not isinstance(self.inputs, dict):
            missing = [symbol.name for symbol in symbols if symbol.name not in inputs]
            if missing:
                raise ValueError(
                    f"the model is given inputs named {', '.join(inputs)}, and none for "
                    f"{', '.join(missing)}\n  help: name inputs as in keras.Input(name=..)"
                )
            leaves = [inputs[symbol.name] for symbol in symbols]
        elif isinstance(inputs, dict):
            leaves = [inputs[key] for key in sorted(self.inputs)]
            leaves = flatten(leaves)
        else:
            leaves = flatten(inputs)
        if len(leaves) != len(symbols):
            raise ValueError(
                f"the model has {len(symbols)} inputs, and is called on {len(leaves)}\n"
                f"  help: give it {', '.join(symbol.name for symbol in symbols)}, in a list"
            )
        return [_fitted(symbol, leaf) for symbol, leaf in zip(symbols, leaves)]

    def with_open_sizes(self, summary):
        """A summary, in which the sizes of the outputs of layers are open that may be any."""
        lines = summary.splitlines()
        for layer in self.layers:
            for shape in layer._symbolic_calls and [layer._symbolic_shape(True)]:
                if not isinstance(shape, TensorShape) or None not in shape[1:]:
                    continue
                text = f"[{', '.join(['batch', *map(str, shape[1:])])}]"
                for place, line in enumerate(lines):
                    # The sizes there are those of the data that the model saw last.
                    known = re.search(r"\[batch[^]]*\]", line)
                    if known and line.startswith(f"  {layer.name} ("):
                        room = " " * (len(text) - len(known.group()))
                        after = line[known.end() :].replace("  " + room, "  ", 1)
                        lines[place] = line[: known.start()] + text + after
        return "\n".join(lines)

    def sizes(self):
        """Shapes and types that inputs may have, by which the weights are made."""
        return [(sample_sizes(one.shape), one.dtype.name) for one in flatten(self.inputs)]


def _fitted(symbol, tensor):
    """A tensor as an input takes it."""
    tensor = _native.identity(tensor)
    if tensor.dtype != symbol.dtype:
        tensor = _native.cast(tensor, symbol.dtype)
    wanted, sizes = tuple(symbol.shape), tuple(tensor.shape)
    if len(sizes) == len(wanted) - 1 and wanted[-1] == 1:
        tensor = _native.expand_dims(tensor, -1)
        sizes = tuple(tensor.shape)
    fits = len(sizes) == len(wanted) and all(
        one is None or one == size for one, size in zip(wanted[1:], sizes[1:])
    )
    if not fits:
        raise _native.ShapeError(
            f"the input `{symbol.name}` has the shape {[None, *wanted[1:]]}, and is given "
            f"{list(sizes)}\n  help: give data of that shape, or change keras.Input"
        )
    return tensor


def _variables_in(value):
    """The variables that calls take as arguments."""
    found = {}

    def look(one):
        if isinstance(one, _native.Variable):
            found[one._id] = one
        elif isinstance(one, dict):
            for part in one.values():
                look(part)
        elif isinstance(one, (list, tuple)):
            for part in one:
                look(part)

    look(value)
    return list(found.values())


class FunctionalModel:
    """What a model has that is made of inputs and outputs."""

    _graph = None

    def _become_functional(self, inputs, outputs):
        if inputs is None or outputs is None:
            missing = "inputs" if inputs is None else "outputs"
            raise TypeError(f"keras.Model(inputs, outputs) lacks `{missing}`\n  help: give both")
        object.__setattr__(self, "_graph", Graph(inputs, outputs))
        self._take_graph()

    def _take_graph(self):
        """Makes attributes of what the graph is made of, and the weights of all layers."""
        graph = self._graph
        graph.name_layers()
        self._graph_layers = graph.layers
        self._graph_variables = graph.variables
        self._terms_given = [name for _, name, _ in graph.terms]
        if _native.is_open():
            return
        nested = isinstance(graph.inputs, (list, tuple, dict))
        structure = replaced(graph.inputs, lambda symbol: None) if nested else None
        object.__setattr__(self, "_last_structure", structure)
        self._synced().build(graph.sizes())
        self._after()

    def _call_graph(self, inputs):
        outputs, terms = self._graph.run(inputs)
        for value, name, is_loss in terms:
            if is_loss:
                Layer.add_loss(self, value, name)
            else:
                Layer.add_metric(self, value, name)
        return outputs

    def add_loss(self, losses, name=None, inputs=None):
        """Adds a term to the loss: in `call` a tensor; of a model of inputs and outputs also a
        symbolic one, from outside."""
        if not any_in(losses):
            return Layer.add_loss(self, losses, name, inputs)
        for loss in flatten(losses):
            self._add_term(loss, name, True)

    def add_metric(self, value, name=None, aggregation=None):
        """Reports the mean of a value over each epoch: a tensor in `call`, or, of a model of inputs
        and outputs, a symbolic one."""
        if not any_in(value):
            return Layer.add_metric(self, value, name, aggregation)
        if name is None:
            raise ValueError(
                "a metric of a symbolic tensor has no name\n"
                "  help: give one, as in `model.add_metric(value, name='error')`"
            )
        self._add_term(value, name, False)

    def _add_term(self, symbol, name, is_loss):
        if self._graph is None:
            raise ValueError(
                f"`{self.name}` is not made of inputs and outputs, and is given a symbolic tensor\n"
                "  help: compute the term in `call`"
            )
        self._graph.add_term(symbol, name, is_loss)
        self._take_graph()


# How a graph is written to a file.


def graph_config(model):
    """How a model of inputs and outputs is made again."""
    graph, places = model._graph, {}
    layers = [one for one in graph.layers if one not in graph.input_layers]
    for place, symbol in enumerate(flatten(graph.inputs)):
        places[id(symbol)] = ["input", place]
    numbers = {id(layer): number for number, layer in enumerate(layers)}
    calls = []
    for number, record in enumerate(graph.records):
        call = {"arguments": _written(list(record.arguments), places)}
        call["options"] = _written(record.options, places)
        if id(record.function) in numbers:
            call["layer"] = numbers[id(record.function)]
        else:
            call["operation"] = [record.function.__module__, record.function.__qualname__]
        calls.append(call)
        for place, symbol in enumerate(record.outputs):
            places[id(symbol)] = [number, place]
    return {
        "name": model._given_name,
        "inputs": [
            {"shape": list(one.shape), "dtype": one.dtype.name, "name": one._name}
            for one in flatten(graph.inputs)
        ],
        "input_structure": _written(graph.inputs, places),
        "layers": layers,
        "calls": calls,
        "outputs": _written(graph.outputs, places),
        "terms": [[_written(symbol, places), *rest] for symbol, *rest in graph.terms],
    }


def graph_of(config):
    """The inputs, the outputs and the terms that `graph_config` has described."""
    from .layers import Input

    inputs = [
        Input(one["shape"][1:], batch_size=one["shape"][0], dtype=one["dtype"], name=one["name"])
        for one in config["inputs"]
    ]
    made = {"input": inputs}
    for number, call in enumerate(config["calls"]):
        if "layer" in call:
            function = config["layers"][call["layer"]]
        else:
            function = defined(*call["operation"])
        arguments = _read(call["arguments"], made)
        made[number] = flatten(function(*arguments, **_read(call["options"], made)))
    structure, outputs = _read(config["input_structure"], made), _read(config["outputs"], made)
    return structure, outputs, [(_read(one, made), *rest) for one, *rest in config["terms"]]


def _written(value, places):
    """An argument of a call as JSON has it."""
    if isinstance(value, KerasTensor):
        return {"tensor": places[id(value)]}
    if isinstance(value, dict):
        return {"dict": [[key, _written(one, places)] for key, one in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_written(one, places) for one in value]}
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, _native.Variable):
        raise NotImplementedError(
            f"the model cannot be saved: a function is called on the variable `{value.name}`\n"
            "  help: hold it in a layer of yours, by `add_weight`, or save the weights alone, "
            "`model.save_weights(path)`"
        )
    if isinstance(value, (np.ndarray, np.generic, _native.Tensor)):
        numbers = np.asarray(value)
        return {"array": numbers.tolist(), "dtype": str(numbers.dtype)}
    if type(value).__name__ == "DType":
        return {"dtype_of": value.name}
    return value


def _read(value, made):
    """What `_written` has written."""
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        maker, place = value["tensor"]
        return made[maker][place]
    if "dict" in value:
        return {key: _read(one, made) for key, one in value["dict"]}
    if "list" in value:
        return [_read(one, made) for one in value["list"]]
    if "tuple" in value:
        return tuple(_read(one, made) for one in value["tuple"])
    if "slice" in value:
        return slice(*value["slice"])
    if "ellipsis" in value:
        return Ellipsis
    if "array" in value:
        return np.array(value["array"], dtype=value["dtype"])
    return value["dtype_of"]

