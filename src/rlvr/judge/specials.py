"""Names of the special methods that cross between the processes, by what tests could conclude from them."""

COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_OTHERS = (
    "call len iter next getitem setitem delitem contains reversed hash bool int float complex index str repr format "
    "enter exit abs neg pos invert round instancecheck subclasscheck divmod length_hint trunc floor ceil"
)
_ARITHMETIC = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
_DIFFERENCE = "sub truediv floordiv mod and or xor"
DIFFERENCES = {f"__{side}{name}__": f"__{name}__" for name in _DIFFERENCE.split(" ") for side in ("", "r", "i")}
"""With what is expected on the other side, these show whether it is equal. By name, without the side."""
_CONVERSION = "int float complex index abs neg pos invert round trunc floor ceil"
CONVERSIONS = frozenset(f"__{name}__" for name in _CONVERSION.split(" "))
"""These make a number of an object alone: of an answer the same one each time, or it could be each root of an equation
by which tests try it."""
PRODUCTS = {"__divmod__"} | {f"__{side}{name}__" for name in ("add", "mul", "pow", "matmul") for side in ("", "r", "i")}
MEASURES = {"__bool__", *CONVERSIONS, *PRODUCTS}
"""These make numbers of an object."""
GENERATOR_METHODS = ("send", "throw", "close")
SPECIALS = (
    *COMPARISONS,
    *(f"__{name}__" for name in _OTHERS.split(" ")),
    *(f"__{side}{name}__" for name in _ARITHMETIC.split(" ") for side in ("", "r", "i")),
)
VERDICTS = {"startswith", "endswith", "issubset", "issuperset", "isdisjoint", "equals"}
"""What tests ask a text, a set, or a table; an object that says yes to all is none of these."""


def specials_of(cls: type) -> list[str]:
    """The special methods that a class has beyond those of every object or class."""
    own = [vars(base) for base in cls.__mro__ if base not in (object, type)]
    return [name for name in SPECIALS if next((space[name] for space in own if name in space), None) is not None]
