"""Device: where to train, and how many samples fit in its memory at once."""

from __future__ import annotations

import math
import os
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import torch
from torch import Tensor, nn

from hpo_script.experiment import Arch, UnusableError
from hpo_script.task import Task

BYTES_PER_PARAMETER = 16  # fp32 weights, gradients and Adam's two moments


def choose_device(name: str) -> torch.device:
    """Return the device asked for; auto takes cuda, then mps, then cpu."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    there = {"cuda": cuda, "mps": mps, "cpu": True}
    if name == "auto":
        name = next(kind for kind in there if there[kind])
    if not there[name]:
        raise UnusableError(f"--device {name}: this machine or this torch has none; use auto")
    return torch.device(name)


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return bfloat16 autocast on CUDA; elsewhere it is slower than float32 or not offered."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


def free_memory(device: torch.device) -> int:
    """Return the bytes that training may use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what an earlier trial's blocks still hold is free
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        table = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(min(int(table["MemAvailable"].split()[0]) * 1024, group_room()))
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def group_room(
    groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> float:
    """Return the bytes that the limits of a container or a job leave, infinity without any.

    What takes more is killed, not refused. Files that were read can be dropped from memory.
    https://docs.kernel.org/admin-guide/cgroup-v2.html#memory, and cgroup-v1/memory.html
    """
    room = math.inf
    for line in groups.read_text().splitlines() if groups.exists() else ():
        _, controllers, name = line.split(":", 2)
        top, limit, usage, files = root, "memory.max", "memory.current", "inactive_file"
        if "memory" in controllers.split(","):
            top, files = root / "memory", "total_inactive_file"
            limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
        elif controllers:
            continue
        group = top / name.lstrip("/")
        for folder in (group, *group.parents):
            # A container sees its own groups only; the limit may be "max".
            with suppress(OSError, ValueError, KeyError):
                known = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
                taken = int((folder / usage).read_text()) - int(known[files])
                room = min(room, int((folder / limit).read_text()) - taken)
    return max(room, 0)


def bytes_per_sample(task: Task, model: nn.Module) -> int:
    """Return what one sample keeps for the backward pass.

    A forward pass of two samples on the meta device is recorded; storages are counted once and
    the weights not at all.
    """
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    saved: dict[int, Tensor] = {}  # kept: a freed storage's address would be used again

    def record(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage()._cdata
        if address not in weights:
            saved[address] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        model(task.sample(2, torch.device("meta")))
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values()) // 2


def fitting_micro_batch(n_params: int, sample_bytes: int, free: int, batch_size: int) -> int:
    """Return the largest power of two of samples that fits, at most the batch; 0 if none."""
    room = int(free * 0.92) - BYTES_PER_PARAMETER * n_params
    fitting = room // sample_bytes
    if fitting >= batch_size:
        return batch_size
    return 1 << (fitting.bit_length() - 1) if fitting > 0 else 0


def check_count(task: Task, arch: Arch) -> nn.Module:
    """Return a model on the meta device, which takes no memory.

    Raises ValueError when it does not have the number of parameters its row says.
    """
    with torch.device("meta"):
        model = task.build_model(arch, dropout=0.1)
    count = sum(parameter.numel() for parameter in model.parameters())
    if count != arch["params"]:
        raise ValueError(f"{dict(arch)}: the model has {count:,} parameters")
    return model


def out_of_memory(error: Exception) -> bool:
    """Tell whether an error means that memory ran out, on any device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = ("out of memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in said)
