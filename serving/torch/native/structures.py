"""What cpp/model.hpp and encode.hpp declare, for ctypes. Only addresses cross the border."""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

from serving.torch.architecture import GROUPS
from serving.torch.encoder import EncodedAdapter
from serving.torch.linear import GRANULE, Int8, Linear

MOST_PARTS = 3
Pointer = ctypes.c_void_p


class Packed(NamedTuple):
    """How a linear's weights are held: in four bits, or without groups and sums in int8."""

    values: Any  # uint8 [rows, in / 2], or int8 [rows, in]
    groups: Any  # scales of 32 columns, int8 [rows, in / 32]
    row_sums: Any  # of all that a row stands for, in its steps, int32 [rows]
    scale: Any  # a row's step, float32 [rows]


class CLinear(ctypes.Structure):
    _fields_ = [
        *((name, Pointer) for name in ("weight", "groups", "row_sums", "scale", "bias")),
        ("outputs", ctypes.c_int32 * MOST_PARTS),
        *(
            (name, ctypes.c_int32)
            for name in ("rows", "inputs", "parts", "halves", "layer", "group")
        ),
    ]


class CGranule(ctypes.Structure):
    _fields_ = [
        *((name, Pointer * len(GROUPS)) for name in ("rows", "scales")),
        ("ups", Pointer * MOST_PARTS * len(GROUPS)),
        ("count", ctypes.c_int64),
    ]


class CLayer(ctypes.Structure):
    _fields_ = [
        *((name, Pointer) for name in ("norm_before", "norm_after", "query_norm", "key_norm")),
        *((name, CLinear) for name in ("qkv", "output", "gate_up", "down")),
        *((name, Pointer) for name in ("keys", "values")),
        ("window", ctypes.c_int32),
    ]


class CModel(ctypes.Structure):
    _fields_ = [
        ("layers", ctypes.POINTER(CLayer)),
        ("norm", Pointer),
        ("head", CLinear),
        ("epsilon", ctypes.c_float),
        *(
            (name, ctypes.c_int32)
            for name in ("num_layers", "hidden", "inner", "num_heads", "num_kv_heads", "head_dim")
        ),
    ]


class CModule(ctypes.Structure):
    _fields_ = [
        *((name, Pointer) for name in ("a", "b", "rows", "scales", "up", "largest")),
        ("factor", ctypes.c_float),
        *((name, ctypes.c_int32) for name in ("rank", "inputs", "outputs", "stride", "type")),
    ]


class CStep(ctypes.Structure):
    _fields_ = [
        *((name, Pointer) for name in ("hidden", "cos", "sin", "slots", "granules", "scales")),
        *((name, Pointer) for name in ("adapters", "spans", "tables", "sampled", "logits")),
        *(
            (name, ctypes.c_int32)
            for name in ("num_tokens", "width", "num_spans", "num_sampled", "num_threads")
        ),
    ]


def c_linear(
    linear: Linear,
    bias: Any | None,
    kept: list[Any],
    outputs: Sequence[int] = (),
    layer: int = 0,
    group: int = 0,
) -> CLinear:
    """outputs: of each part that adapters may have."""
    kind = linear.kind
    assert isinstance(kind, Int8)
    weight, scale = linear.tensors
    held = Packed(*linear.fixed) if linear.fixed else Packed(weight, None, None, scale)
    return CLinear(
        *(address(tensor, kept) for tensor in held),
        bias=address(bias, kept),
        outputs=(ctypes.c_int32 * MOST_PARTS)(*outputs),
        rows=linear.num_rows,
        inputs=weight.shape[1],
        parts=len(outputs),
        halves=kind.halves,
        layer=layer,
        group=group,
    )


def c_granule(adapter: EncodedAdapter, number: int) -> CGranule:
    """The adapter's `number`-th 16 ranks; the adapter must outlive them."""
    granule = CGranule(count=adapter.num_granules)
    for group, names in enumerate(GROUPS):
        rows = adapter.rows[group]
        if rows is not None:
            begin = number * len(names) * GRANULE
            granule.rows[group], granule.scales[group] = (
                tensor[:, begin:].data_ptr() for tensor in rows
            )
        for part, up in enumerate(adapter.ups[group]):
            if up is not None:
                granule.ups[group][part] = up[:, number].data_ptr()
    return granule


def address(tensor: Any | None, kept: list[Any]) -> int | None:
    """The address of the first element; `kept` keeps the tensor."""
    if tensor is None:
        return None
    assert tensor.is_contiguous()
    kept.append(tensor)
    return tensor.data_ptr()
