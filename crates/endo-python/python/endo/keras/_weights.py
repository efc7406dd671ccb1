"""What goes with a variable that a layer holds."""


def declared_trainable(variable):
    """Whether a variable was made to be trained, frozen or not."""
    if not hasattr(variable, "_declared"):
        variable._declared = variable.trainable
    return variable._declared


def unused_name(name, variables):
    """A name with a number, where variables have the name already."""
    taken, number = {variable.name for variable in variables}, 0
    while (found := f"{name}_{number}" if number else name) in taken:
        number += 1
    return found


def use_of(variable, place):
    """A variable with its name, its regularizer and its constraint, as the native part takes it."""
    regularizer = getattr(variable, "regularizer", None)
    constraint = getattr(variable, "constraint", None)
    return variable, variable.name if variable.name else f"weight_{place}", regularizer, constraint
