"""Attention: means of values, weighed by how well their keys fit a query."""

import functools

import numpy as np

from .. import _native
from . import initializers
from ._calls import accepted_arguments, call_stack, pass_mask
from ._first_values import first_values
from ._native_layer import NativeLayer, layer_of


class AttentionLayer(NativeLayer):
    """A layer of a query, values and keys, which returns its outputs and the weights of values."""

    _takes_several = True

    def _zeros(self, shapes):
        """Inputs of these shapes, with one sample and one step where sizes are open."""
        return [_native.fill([size or 1 for size in shape], 0.0, "float32") for shape in shapes]

    def _attend(self, tensors, masks, pairs, use_causal_mask, return_scores, training):
        if use_causal_mask:
            past = np.tri(tensors[0].shape[1], tensors[1].shape[1], dtype=bool)
            pairs = past if pairs is None else _native.cast(pairs, "bool") & past
        given = list(tensors)
        if pairs is not None:
            given.append(_native.cast(pairs, "bool"))
        object.__setattr__(self, "_returns_scores", bool(return_scores))
        return NativeLayer.__call__(self, given, mask=masks, training=training)

    def call(self, *inputs, **options):
        """What the layer computes, of what it is called on."""
        layer = self if self._library_layer is None else self._library_layer
        return layer(*inputs, **options)

    def _apply(self, tensors, training):
        outputs = super()._apply(tensors, training)
        if self._library_layer is not None:
            return outputs
        if not self._returns_scores:
            return outputs[:1]
        call_stack()[-1].outputs = (None, None)
        return outputs

    def _pass_masks(self, inputs, tensors, outputs):
        # The first output has the steps of the query.
        pass_mask(tensors[:1], outputs[:1])


class ListedAttention(AttentionLayer):
    """Attention to a list `[query, value]` or `[query, value, key]`, each
    `[batch, steps, features]`, with masks of the query and the values as `mask`."""

    _not_called = (*NativeLayer._not_called, "_calculate_scores", "_apply_scores")

    def __call__(
        self,
        inputs,
        mask=None,
        training=None,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        if not isinstance(inputs, (list, tuple)) or not 2 <= len(inputs) <= 3:
            raise ValueError(
                f"`{self.name}` is called on a list [query, value] or [query, value, key]"
            )
        if self._library_layer is not None:
            return self._call_own(
                inputs,
                mask=mask,
                training=training,
                return_attention_scores=return_attention_scores or None,
                use_causal_mask=use_causal_mask or None,
            )
        masks = list(mask) if isinstance(mask, (list, tuple)) else None if mask is None else [mask]
        return self._attend(
            inputs, masks, None, use_causal_mask, return_attention_scores, training
        )

    def build(self, input_shape):
        """Makes the weights for inputs of these shapes: a list of two or three."""
        if not self.built and not self._is_building:
            self(self._zeros(input_shape))


class HeadsAttention(AttentionLayer):
    """Attention of several heads, called on a query, values, and keys if they are not the values.

    `attention_mask` says which pairs may see each other, `[batch, queries, values]`;
    `query_mask`, `value_mask` and `key_mask` which steps count.
    """

    _refused = {
        "attention_axes": "the axis of steps is the second of three",
        "sliding_window": "give an `attention_mask`",
        "flash_attention": None,
        "use_gate": "multiply the outputs by a Dense layer with a sigmoid",
    }
    _not_called = (
        *NativeLayer._not_called,
        "_compute_attention",
        "_compute_attention_mask",
        "_masked_softmax",
    )

    def _text_of(self, options):
        shape = options.get("output_shape")
        if isinstance(shape, (list, tuple)) and len(shape) == 1:
            options = {**options, "output_shape": shape[0]}
        for name, value in options.items():
            if name.endswith(("_regularizer", "_constraint")) and callable(value):
                if not hasattr(value, "_text"):
                    raise NotImplementedError(
                        f"{type(self).__name__} with a function as {name}: give a name or an "
                        "object of keras"
                    )
        return super()._text_of(options)

    def _keep_custom(self, name, ending, value):
        if ending != "_initializer":
            return super()._keep_custom(name, ending, value)
        weight, initializer = name[: -len(ending)], initializers.get(value)
        for part in ("query", "key", "value", "attention_output"):
            self._first_values[f"{part}/{weight}"] = functools.partial(
                self._first_value, initializer, f"{part}/{weight}"
            )

    @staticmethod
    def _first_value(initializer, weight, shape):
        shape = matrix = list(shape)
        # Spreads follow from all inputs and all outputs, whatever the heads.
        if initializers.spreads_by_fans(initializer) and len(shape) == 3:
            of_outputs = weight.startswith("attention_output")
            one, two, three = shape
            matrix = [one * two, three] if of_outputs else [one, two * three]
        path = f"{_native.current_path()}/{weight}"
        return np.reshape(first_values(initializer, matrix, path), shape)

    def __call__(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        if self._library_layer is not None:
            return self._call_own(
                query,
                value,
                *(() if key is None else (key,)),
                query_mask=query_mask,
                value_mask=value_mask,
                key_mask=key_mask,
                attention_mask=attention_mask,
                return_attention_scores=return_attention_scores or None,
                training=training,
                use_causal_mask=use_causal_mask or None,
            )
        tensors = [query, value] if key is None else [query, value, key]
        masks = [query_mask, value_mask, key_mask][: len(tensors)]
        return self._attend(
            tensors,
            masks if any(mask is not None for mask in masks) else None,
            attention_mask,
            use_causal_mask,
            return_attention_scores,
            training,
        )

    def _call_options(self, call, tensors):
        options = super()._call_options(call, tensors)
        accepted = accepted_arguments(type(self))
        for role, tensor in zip(("query", "value", "key"), (*tensors, *call.arguments)):
            name = f"{role}_mask"
            is_open = name in accepted and options.get(name) is None
            if is_open and isinstance(tensor, _native.Tensor):
                options[name] = _native.mask(tensor)
        return options

    def build(self, query_shape, value_shape=None, key_shape=None):
        """Makes the weights for a query and values of these shapes; values are as the query unless
        given."""
        if not self.built and not self._is_building:
            shapes = [query_shape, value_shape or query_shape]
            shapes += [] if key_shape is None else [key_shape]
            self(*self._zeros(shapes))


_WEIGHTS = (
    " kernel_initializer bias_initializer kernel_regularizer bias_regularizer"
    " activity_regularizer kernel_constraint bias_constraint use_gate seed"
)
Attention = layer_of(
    "Attention",
    "use_scale score_mode dropout seed",
    "Scores are products of queries and keys (Luong et al. 2015).",
    base=ListedAttention,
)
AdditiveAttention = layer_of(
    "AdditiveAttention",
    "use_scale dropout",
    "Scores are sums of `tanh(query + key)` (Bahdanau et al. 2015).",
    base=ListedAttention,
)
MultiHeadAttention = layer_of(
    "MultiHeadAttention",
    "num_heads key_dim value_dim dropout use_bias output_shape attention_axes sliding_window"
    " flash_attention" + _WEIGHTS,
    "Several heads, each with projections of its own (Vaswani et al. 2017).",
    base=HeadsAttention,
    takes_activity_regularizer=False,
)
GroupQueryAttention = layer_of(
    "GroupQueryAttention",
    "head_dim num_query_heads num_key_value_heads dropout use_bias sliding_window"
    " flash_attention" + _WEIGHTS,
    "Heads of queries that share heads of keys and values (Ainslie et al. 2023).",
    base=HeadsAttention,
    takes_activity_regularizer=False,
)
