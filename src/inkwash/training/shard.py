"""Fully sharded data parallelism (FSDP2), and gathering of shards, so that checkpoints do not depend on sharding.

Each process stores a shard of every parameter, gradient and optimiser moment (ZeRO stage 3, Rajbhandari et al. 2020).
The parameters of a block are gathered before the block is computed and freed after it.
"""

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from inkwash.errors import InkwashError

_CONTAINERS = (nn.ModuleList, nn.ModuleDict)


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Shards a model's parameters over a mesh of processes and moves them to its device, one block at a time.

    Each element of a ModuleList is a block; the remaining parameters form one more. Blocks are moved and sharded
    separately, so a model built on the CPU need not fit on one device. Buffers are not sharded. Raises InkwashError
    if this PyTorch has no FSDP2.
    """
    try:
        from torch.distributed.fsdp import fully_shard
    except ImportError:
        raise InkwashError(
            f"`shard=True` needs PyTorch 2.6 or newer (this is {torch.__version__}); upgrade it, or give `shard=False`."
        ) from None
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # FSDP2 shards only contiguous parameters
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    blocks = [block for each in lists for block in each if not isinstance(block, _CONTAINERS)]
    # the output may be a view, on which FSDP2's backward hook could be lost; FSDP2 warns about that
    model.register_forward_hook(lambda module, args, output: output.clone())
    for block in (*reversed(blocks), model):
        fully_shard(block, mesh=mesh, reshard_after_forward=True)


def local_part(tensor: Tensor, like: Tensor | None) -> Tensor:
    """This process's shard of a full tensor, with the placement and device of `like`; the tensor if `like` is full."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor):
        return tensor
    # every process holds the full tensor, so no communication is needed
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def full_tensor(tensor: Tensor) -> Tensor:
    """Gathers a tensor from its shards; a full tensor is returned as it is. All processes must call it together."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def gather_tensors(tensors: dict[str, Tensor], needed: bool) -> dict[str, Tensor]:
    """Gathers tensors from their shards and moves them to the CPU; tensors that are not sharded stay as they are.

    All processes must call it together. Processes that pass `needed` = False get an empty dict.
    """
    found = {}
    for name, tensor in tensors.items():
        full = full_tensor(tensor)
        if needed:
            found[name] = full if full is tensor else full.cpu()
    return found


def local_parameters(model: nn.Module) -> list[Tensor]:
    """The parameters of a model, or this process's shards of them, for elementwise operations."""
    return [p.to_local() if hasattr(p, "to_local") else p for p in model.parameters()]
