"""SIMD vectors of eight doubles for loops compiled by numba, which does not vectorise these loops by itself.

In Python, lanes are arrays of eight numbers and masks are boolean arrays of length eight; in compiled code, each is a
SIMD register. They are loaded from and stored to the rows of arrays `(n, 8)`; `+ - * /`, comparisons and `&` are
element-wise.

numba caches compiled code by the modification time of the file that contains the loop: after changing this file, touch
the files with the loops.
"""

from __future__ import annotations

import operator

import numpy as np

from .compiling import can_compile

N_LANES = 8


def load(rows: np.ndarray, row: int) -> np.ndarray:
    """Load a row as lanes.

    Examples
    --------
    >>> float((load(np.ones((2, 8)), 1) + spread(2.0))[0])
    3.0
    """
    return rows[row].copy()


def store(rows: np.ndarray, row: int, lanes: np.ndarray) -> None:
    """Store lanes in a row."""
    rows[row] = lanes


def spread(number: float) -> np.ndarray:
    """Broadcast a number to all lanes."""
    return np.full(N_LANES, number)


def choose(mask: np.ndarray, lanes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Select `lanes` where the mask is true and `others` elsewhere."""
    return np.where(mask, lanes, others)


def root(lanes: np.ndarray) -> np.ndarray:
    """Return square roots."""
    return np.sqrt(lanes)


def magnitude(lanes: np.ndarray) -> np.ndarray:
    """Return absolute values."""
    return np.abs(lanes)


def holds_anywhere(mask: np.ndarray) -> bool:
    """Return whether a mask is true in any lane."""
    return bool(np.any(mask))


def line_up(n: int) -> np.ndarray:
    """Return zeros `(n, 8)` whose rows are aligned to cache lines."""
    raw = np.zeros((n + 1) * N_LANES)
    start = (N_LANES - raw.ctypes.data // 8 % N_LANES) % N_LANES
    return raw[start : start + n * N_LANES].reshape(n, N_LANES)


def _compile() -> None:
    """Register these functions and operators with numba as LLVM intrinsics."""
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic, models, overload, register_jitable, register_model

    vector = ir.VectorType(ir.DoubleType(), N_LANES)
    truths = ir.VectorType(ir.IntType(1), N_LANES)

    class Lanes(types.Type):
        pass

    class Mask(types.Type):
        pass

    def model_of(kind):
        class Model(models.PrimitiveModel):
            def __init__(self, manager, own_type):
                super().__init__(manager, own_type, kind)

        return Model

    register_model(Lanes)(model_of(vector))
    register_model(Mask)(model_of(truths))
    lanes, mask = Lanes("lanes"), Mask("mask")

    def place(context, builder, array_type, array, row):
        first = context.make_array(array_type)(context, builder, array).data
        at = builder.gep(first, [builder.mul(row, ir.Constant(row.type, N_LANES))])
        return builder.bitcast(at, vector.as_pointer())

    @intrinsic
    def load_row(typing, rows, row):
        def generate(context, builder, signature, values):
            loaded = builder.load(place(context, builder, signature.args[0], *values))
            loaded.align = 8
            return loaded

        return lanes(rows, row), generate

    @intrinsic
    def store_row(typing, rows, row, given):
        def generate(context, builder, signature, values):
            builder.store(values[2], place(context, builder, signature.args[0], *values[:2])).align = 8
            return context.get_dummy_value()

        return types.void(rows, row, given), generate

    def piece(result, build):
        """Return an intrinsic of one argument."""

        @intrinsic
        def run(typing, one):
            return result(one), lambda context, builder, signature, values: build(builder, *values)

        return run

    def piece_of_two(result, build):
        @intrinsic
        def run(typing, one, other):
            return result(one, other), lambda context, builder, signature, values: build(builder, *values)

        return run

    @intrinsic
    def choose_lanes(typing, where, one, other):
        return lanes(where, one, other), lambda context, builder, signature, values: builder.select(*values)

    def from_llvm(name):
        kind = ir.FunctionType(vector, [vector])
        return lambda builder, given: builder.call(
            cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{N_LANES}f64"), [given]
        )

    def everywhere(builder, given):
        nothing, number = ir.Constant(vector, ir.Undefined), ir.IntType(32)
        one = builder.insert_element(nothing, given, ir.Constant(number, 0))
        return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(number, N_LANES), [0] * N_LANES))

    def anywhere(builder, given):
        bits = builder.bitcast(given, ir.IntType(N_LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    def together(name):  # allows fused multiply-add
        return lambda builder, one, other: getattr(builder, name)(one, other, flags=("contract",))

    def compared(sign):
        def build(builder, one, other):
            return (builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered)(sign, one, other)

        return build

    spread_number = piece(lanes, everywhere)
    root_of, magnitude_of = piece(lanes, from_llvm("sqrt")), piece(lanes, from_llvm("fabs"))
    anywhere_in = piece(types.boolean, anywhere)
    overload(load)(lambda rows, row: lambda rows, row: load_row(rows, np.intp(row)))
    overload(store)(lambda rows, row, lanes: lambda rows, row, lanes: store_row(rows, np.intp(row), lanes))
    overload(spread)(lambda number: lambda number: spread_number(np.float64(number)))
    overload(choose)(lambda mask, lanes, others: lambda mask, lanes, others: choose_lanes(mask, lanes, others))
    overload(root)(lambda lanes: lambda lanes: root_of(lanes))
    overload(magnitude)(lambda lanes: lambda lanes: magnitude_of(lanes))
    overload(holds_anywhere)(lambda mask: lambda mask: anywhere_in(mask))
    register_jitable(line_up)

    def define(operation, kind, built):
        def implementation(one, other):
            if isinstance(one, kind) and isinstance(other, kind):
                return lambda one, other: built(one, other)
            return None

        overload(operation)(implementation)

    for operation, name in (
        (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
    ):  # fmt: skip
        define(operation, Lanes, piece_of_two(lanes, together(name)))
    for operation, sign in (
        (operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">="), (operator.eq, "=="),
        (operator.ne, "!="),
    ):  # fmt: skip
        define(operation, Lanes, piece_of_two(mask, compared(sign)))
    define(operator.and_, Mask, piece_of_two(mask, lambda builder, one, other: builder.and_(one, other)))


if can_compile():
    _compile()
