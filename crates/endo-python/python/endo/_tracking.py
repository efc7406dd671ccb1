"""Whether something that a trace depends on has changed since."""

_version = 0


def version():
    """A number that grows whenever a layer's attribute is given another value."""
    return _version


def changed():
    """Notes that it has."""
    global _version
    _version += 1
