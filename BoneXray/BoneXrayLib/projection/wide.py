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
