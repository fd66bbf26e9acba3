"""A network divided among processes (FSDP2), and its tensors as one, for checkpoints that know nothing of it.

Each process keeps a part of every weight, of its gradient and of its moments (ZeRO stage 3, Rajbhandari et al. 2020).
The whole of a block is gathered when the block is computed, and let go after it.
"""

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from inkwash.errors import InkwashError

_CONTAINERS = (nn.ModuleList, nn.ModuleDict)


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Divides a model's parameters among a mesh of processes and moves them to its device, a block at a time.

    Blocks are the elements of ModuleLists; what is in none of them is one more. Each is moved and divided by itself,
    so a model built on the CPU need never fit the device. Buffers stay whole. Raises InkwashError where this PyTorch
    has no FSDP2.
    """
    try:
        from torch.distributed.fsdp import fully_shard
    except ImportError:
        raise InkwashError(
            f"`shard=True` needs PyTorch 2.6 or newer (this is {torch.__version__}); upgrade it, or give `shard=False`."
        ) from None
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # FSDP2 divides nothing else
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    blocks = [block for each in lists for block in each if not isinstance(block, _CONTAINERS)]
    # the output may be a view, in which FSDP2's hook could get lost, and it warns of that
    model.register_forward_hook(lambda module, args, output: output.clone())
    for block in (*reversed(blocks), model):
        fully_shard(block, mesh=mesh, reshard_after_forward=True)


def local_part(tensor: Tensor, like: Tensor | None) -> Tensor:
    """This process's part of a whole tensor, divided as `like` is and on its device; all of it where that is whole."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor):
        return tensor
    # every process has the whole, so nothing is sent
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def full_tensor(tensor: Tensor) -> Tensor:
    """A whole tensor from its parts, which all processes must call for together; one that is whole as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def gather_tensors(tensors: dict[str, Tensor], needed: bool) -> dict[str, Tensor]:
    """Tensors put together from their parts, on the CPU; tensors that were not divided stay as they are.

    All processes must call it together. Processes that pass `needed` = False get none.
    """
    found = {}
    for name, tensor in tensors.items():
        full = full_tensor(tensor)
        if needed:
            found[name] = full if full is tensor else full.cpu()
    return found


def local_parameters(model: nn.Module) -> list[Tensor]:
    """The parameters of a model, or this process's parts of them: enough for what is done to each number by itself."""
    return [p.to_local() if hasattr(p, "to_local") else p for p in model.parameters()]
