"""What goes with a variable that a layer holds."""


def declared_trainable(variable):
    """Whether a variable was made to be trained, frozen or not."""
    if not hasattr(variable, "_declared"):
        variable._declared = variable.trainable
    return variable._declared


def use_of(variable, place):
    """A variable with its name, its regularizer and its constraint, as the native part takes it."""
    regularizer = getattr(variable, "regularizer", None)
    constraint = getattr(variable, "constraint", None)
    return variable, variable.name if variable.name else f"weight_{place}", regularizer, constraint
