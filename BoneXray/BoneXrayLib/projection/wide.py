"""Loads and adds that the compiler may make wide: a vector of neighbours in one instruction.

Numba's own indexing handles negative indices and must assume that a store may change what is read
next; both keep LLVM from vectorising a loop that looks values up. These spell out the plain
instruction, for any processor. They check nothing: the index must lie inside the array.

Loads marked "table" are promised never to see what `add_at` writes.
"""

from __future__ import annotations

from typing import Any, cast

from llvmlite import ir
from numba import extending, types

# As numba's own type has it, what it makes could not be called from plain Python: nor is it.
intrinsic = cast("Any", extending.intrinsic)


def _address(context, builder, signature, args, indices):
    array = context.make_array(signature.args[0])(context, builder, args[0])
    pointer = array.data
    for index in indices:
        pointer = builder.gep(pointer, [index])
    return pointer


def _table(builder):
    """The alias scope that holds the sums and none of the tables."""
    module = builder.module
    domain = module.add_metadata(["BoneXray projection"])
    return module.add_metadata([module.add_metadata(["sums", domain])])


@intrinsic
def pair_at(typing_context, array, base, index):
    """The 16-bit values at base + index and after it as one uint32, the first in the low half.

    A table. `index` is best an int32: then one gather instruction serves many lanes.
    """

    def generate(context, builder, signature, args):
        pointer = _address(context, builder, signature, args, args[1:3])
        pair = builder.load(builder.bitcast(pointer, ir.IntType(32).as_pointer()), align=2)
        pair.set_metadata("noalias", _table(builder))
        return pair

    return types.uint32(array, base, index), generate


@intrinsic
def table_at(typing_context, array, index):
    """array[index], a table."""

    def generate(context, builder, signature, args):
        value = builder.load(_address(context, builder, signature, args, args[1:2]))
        value.set_metadata("noalias", _table(builder))
        return value

    return array.dtype(array, index), generate


@intrinsic
def value_at(typing_context, array, index):
    """array[index] for an index that is never negative."""

    def generate(context, builder, signature, args):
        return builder.load(_address(context, builder, signature, args, args[1:2]))

    return array.dtype(array, index), generate


@intrinsic
def add_at(typing_context, array, index, value):
    """array[index] += value, for float arrays that no table shares memory with."""

    def generate(context, builder, signature, args):
        pointer = _address(context, builder, signature, args, args[1:2])
        before, scope = builder.load(pointer), _table(builder)
        before.set_metadata("alias.scope", scope)
        store = builder.store(builder.fadd(before, args[2], flags=["fast"]), pointer)
        store.set_metadata("alias.scope", scope)
        return context.get_dummy_value()

    return types.void(array, index, array.dtype), generate


@intrinsic
def put_at(typing_context, array, index, value):
    """array[index] = value for an index that is never negative."""

    def generate(context, builder, signature, args):
        builder.store(args[2], _address(context, builder, signature, args, args[1:2]))
        return context.get_dummy_value()

    return types.void(array, index, array.dtype), generate


@intrinsic
def note_at(typing_context, array, index, value):
    """array[index] = value, for arrays that no table shares memory with."""

    def generate(context, builder, signature, args):
        pointer = _address(context, builder, signature, args, args[1:2])
        builder.store(args[2], pointer).set_metadata("alias.scope", _table(builder))
        return context.get_dummy_value()

    return types.void(array, index, array.dtype), generate


@intrinsic
def splat_at(typing_context, array, index, offset, step, amount):
    """array[index + n] += amount · max(0, 1 - |offset + step · n|) for n = 0 … 3, all float32."""
    four = ir.VectorType(ir.FloatType(), 4)

    def spread(builder, value):
        lane = builder.insert_element(ir.Constant(four, ir.Undefined), value, ir.IntType(32)(0))
        none = ir.Constant(ir.VectorType(ir.IntType(32), 4), [0] * 4)
        return builder.shuffle_vector(lane, ir.Constant(four, ir.Undefined), none)

    def generate(context, builder, signature, args):
        pointer = _address(context, builder, signature, args, args[1:2])
        pointer = builder.bitcast(pointer, four.as_pointer())
        offset, step, amount = (spread(builder, value) for value in args[2:])
        lanes, none = ir.Constant(four, [0.0, 1.0, 2.0, 3.0]), ir.Constant(four, [0.0] * 4)
        away = builder.fadd(builder.fmul(step, lanes, flags=["fast"]), offset, flags=["fast"])
        back = builder.fsub(none, away, flags=["fast"])
        away = builder.select(builder.fcmp_ordered(">", away, none), away, back)
        share = builder.fsub(ir.Constant(four, [1.0] * 4), away, flags=["fast"])
        share = builder.select(builder.fcmp_ordered(">", share, none), share, none)
        before = builder.load(pointer, align=4)
        after = builder.fadd(before, builder.fmul(share, amount, flags=["fast"]), flags=["fast"])
        builder.store(after, pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, index, types.float32, types.float32, types.float32), generate
