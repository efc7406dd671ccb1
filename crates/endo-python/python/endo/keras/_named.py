"""What is chosen by a name, by an object with options, or by a function: activations, initializers,
regularizers and constraints."""

import functools
import inspect

from .. import _native
from .._text import value_text, written
from ._saving import resolved


def names_of(name):
    """`HeNormal` as `he_normal`."""
    text = ""
    for place, letter in enumerate(name):
        before = name[place - 1] if place else ""
        if letter.isupper() and place and (before.islower() or before.isdigit()):
            text += "_"
        elif letter.isupper() and place and name[place + 1 : place + 2].islower():
            text += "_"
        text += letter.lower()
    return text


def with_names(kind, arguments, options):
    """Arguments of a class as options: those without names by their places."""
    if len(arguments) > len(kind._positional):
        raise TypeError(
            f"{kind.__name__} takes at most {len(kind._positional)} arguments without names "
            f"({', '.join(kind._positional)}), got {len(arguments)}"
        )
    for name, value in zip(kind._positional, arguments):
        if name in options:
            raise TypeError(f"{kind.__name__} got the argument `{name}` twice")
        options[name] = value
    return options


class Named:
    """A value of the native part with its options; `config` are those that were given."""

    _native_name = None
    _positional = ()

    def __init__(self, *arguments, **options):
        kind = type(self)
        if kind._native_name is None:
            # One of the program, which computes in `__call__`.
            if arguments or options:
                base = next(one for one in kind.__mro__ if "_family" in vars(one))
                given = [*arguments, *options]
                raise TypeError(f"{base.__name__} takes no arguments, got {given}")
            return
        options = with_names(kind, arguments, options)
        self._seed = options.pop("seed", None)
        self._options = options
        self._check()

    def _check(self):
        """Raises at once where an option is wrong."""
        _native.names(self._family, self._text())

    def _text(self):
        return written(self._native_name, self._options)

    def get_config(self):
        """The options that were given."""
        config = dict(self._options)
        if self._seed is not None:
            config["seed"] = self._seed
        return config

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        options = ", ".join(f"{name}={value!r}" for name, value in self._options.items())
        return f"{type(self).__name__}({options})"


class NamedByText(Named):
    """A value of the native part that a text names, options and all."""

    _native_name = "text"

    def __init__(self, text):
        self.text = text
        self._seed = None
        self._options = {}

    def _text(self):
        return self.text

    def get_config(self):
        return {"text": self.text}


def chosen(identifier, base, by_text, wanted):
    """What a name, an object, a class or a function stands for in a family: `by_text` is the
    family's class of texts, `wanted` what is said of anything else."""
    identifier = resolved(identifier)
    if identifier is None or isinstance(identifier, base):
        return identifier
    if isinstance(identifier, str):
        _native.names(base._family, identifier)
        return by_text(identifier)
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(f"{wanted}, got {value_text(identifier)!r}")


def is_native(value, base):
    """Whether a value is one of the native part, of a class that users have not changed."""
    return isinstance(value, base) and type(value)._native_name is not None


def overridden(kind, *names):
    """The first of these methods that a user's subclass of a class of the library defines anew."""
    for one in kind.__mro__:
        if "_native_name" in vars(one):
            return None
        for name in names:
            if name in vars(one):
                return name
    return None


def family(base, by_text, wanted):
    """The functions `get` and `text_of` of a family, whose texts `by_text` names; `wanted` is what
    is said of anything that stands for none of it."""

    def get(identifier):
        return chosen(identifier, base, by_text, wanted)

    def text_of(identifier):
        identifier = get(identifier)
        # What has a seed of its own has no text.
        is_text = is_native(identifier, base) and identifier._seed is None
        return identifier._text() if is_text else None

    get.__doc__ = "What a name, an object or a function stands for."
    text_of.__doc__ = "The text for the native part; ``None`` where it is a function of the program."
    return get, text_of


def class_of(base, name, positional, doc, native_name=None):
    """A class of a family by its Keras name."""
    return type(
        name,
        (base,),
        {
            "_native_name": native_name or names_of(name),
            "_positional": tuple(positional.split()),
            "__doc__": doc,
            "__module__": base.__module__,
        },
    )


def plain_arguments(kind, arguments, options):
    """The arguments that an object is made with, by their names, where they are numbers, texts,
    and lists and dictionaries of such."""
    try:
        bound = _signature(kind).bind(None, *arguments, **options).arguments
    except TypeError:  # the class says itself what is wrong
        return {}
    named = list(bound.items())[1:]
    various = _various(kind)
    return {name: value for name, value in named if name not in various and _is_plain(value)}


@functools.cache
def _signature(kind):
    return inspect.signature(kind.__init__)


@functools.cache
def _various(kind):
    """The parameters of a class that take any arguments."""
    parameters = _signature(kind).parameters.values()
    return [one.name for one in parameters if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


def _is_plain(value):
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(one) for one in value)
    return isinstance(value, (bool, int, float, str, type(None)))
