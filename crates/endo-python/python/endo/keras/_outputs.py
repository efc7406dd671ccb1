"""The outputs of a model that has several: what it is compiled with for each, and their names.

The native part names outputs by the layers that made them. Where `call` returns a dictionary, its
keys are the names that programs give and that reports have.
"""

from ._batches import rows_of


class Outputs:
    """The outputs of a model: `keys` of the dictionary that they are in, in their order, or none,
    and the names that the native part has for them."""

    def __init__(self, structure, names):
        self.count = len(names)
        is_plain = isinstance(structure, dict) and len(structure) == len(names)
        keys = sorted(structure) if is_plain else []
        # A name that has not changed needs no other.
        self._native = {key: name for key, name in zip(keys, names) if key != name}
        longest_first = sorted(self._native.items(), key=lambda pair: -len(pair[1]))
        self._by_native = [(name, str(key)) for key, name in longest_first]

    def __eq__(self, other):
        same = isinstance(other, Outputs) and self.count == other.count
        return same and self._native == other._native

    def native(self, pairs):
        """Pairs of an output's name, or none, and what belongs to it, by the native names."""
        return [(self._native.get(name, name), of) for name, of in pairs]

    def batch(self, batch):
        """Inputs, targets and sample weights, by the native names."""
        return (batch[0], *(self.native(part) for part in batch[1:])) if self._native else batch

    def data(self, data):
        """Data of which each batch is by the native names."""
        if not self._native:
            return data
        return self.batch(data) if isinstance(data, tuple) else _NamedBatches(data, self)

    def reported(self, name):
        """A native name of a number that is reported, with the key of its output."""
        start = "val_" if name.startswith("val_") else ""
        rest = name[len(start) :]
        for native, key in self._by_native:
            if rest == native or rest.startswith(f"{native}_"):
                return start + key + rest[len(native) :]
        return name

    def metrics(self, listed, argument):
        """Metrics by output, of pairs as `by_output_lists` makes them: a list has one for each
        output."""
        if self.count == 1 or any(name is not None for name, _ in listed) or not listed:
            return self.native(listed)
        if len(listed) == 1 and len(listed[0][1]) == self.count:
            return [(None, [metric]) for metric in listed[0][1]]
        if len(listed) != self.count:
            given = len(listed) if len(listed) > 1 else len(listed[0][1])
            raise ValueError(
                f"`{argument}` has {given} for {self.count} outputs, and a list has one entry for "
                "each output\n"
                "  help: give each output a list of its own, as in "
                f"{argument}=[{', '.join(['[..]'] * self.count)}], or a dictionary by their names"
            )
        return listed


class _NamedBatches:
    """Batches of data, with targets by the native names of outputs."""

    def __init__(self, data, outputs):
        self.data, self.outputs = data, outputs

    def _batches(self, number):
        return map(self.outputs.batch, self.data._batches(number))


def first_inputs(data):
    """Inputs of a few samples of data, which is not used up by this; none if it is empty."""
    if isinstance(data, tuple):
        return [rows_of(one)[:32] for one in data[0]]
    batch = data.first()
    return None if batch is None else batch[0]


class CompiledByOutput:
    """What a model does by its outputs: compile natively, take data, and report numbers."""

    def _compile_natively(self, compiled):
        """Compiles the native model, for its outputs if they are known."""
        chosen, plain, weighted, weights = compiled["by_output"]
        if self._outputs is not None:
            chosen, weights = self._outputs.native(chosen), self._outputs.native(weights)
            plain = self._outputs.metrics(plain, "metrics")
            weighted = self._outputs.metrics(weighted, "weighted_metrics")
        handles = [
            [(name, [one._handle() for one in of]) for name, of in pairs]
            for pairs in (chosen, plain, weighted)
        ]
        optimizer = compiled["optimizer"]
        handle = None if optimizer is None else optimizer._handle
        self._model().compile(handle, *handles, weights, compiled["run_eagerly"])

    def _note_outputs(self):
        """Notes which outputs there are, once a call has told; what was compiled before they were
        known is compiled for them."""
        names = self._model().output_names()
        if self._input_shapes is None or not names:
            return
        outputs = Outputs(self._root_outputs, names)
        if outputs != self._outputs:
            is_new = Outputs(None, names[:1]) != outputs or self._outputs is not None
            object.__setattr__(self, "_outputs", outputs)
            if is_new and self._compiled is not None:
                self._compile_natively(self._compiled)

    def _for_outputs(self, data):
        """Data as the native part takes it, by its names of the outputs. Where it depends on them
        what a name or a list means, a few samples tell which outputs there are."""
        if self._outputs is None:
            targets = data[1] if isinstance(data, tuple) else None
            has_names = targets is None or any(name is not None for name, _ in targets)
            if has_names or len(targets) > 1:
                inputs = first_inputs(data)
                if inputs is not None:  # data without batches is refused where it is used
                    self._predict(inputs)
        return data if self._outputs is None else self._outputs.data(data)

    def _reported(self, logs, step="train_step"):
        """Numbers by the names that they are reported under."""
        if self._outputs is None:
            return logs
        return [(self._outputs.reported(name), value) for name, value in logs]

    def _listed(self, logs, terms, return_dict, step="test_step"):
        """What `evaluate` returns of numbers by name: without the terms of the loss."""
        names = {self._outputs.reported(term) for term in terms} if self._outputs else terms
        logs = self._reported(logs, step)
        listed = [(name, value) for name, value in logs if name == "loss" or name not in names]
        object.__setattr__(self, "_reported_names", [name for name, _ in listed])
        if return_dict:
            return dict(logs)
        numbers = [value for _, value in listed]
        return numbers[0] if len(numbers) == 1 else numbers
