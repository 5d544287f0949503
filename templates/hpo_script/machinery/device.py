"""Device: where to train, and how many samples fit into its memory at once."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch, UnusableError
from hpo_script.experiment.task import Task

BYTES_PER_PARAMETER = 16  # fp32 weights, gradients and Adam's two moments


def choose_device(name: str) -> torch.device:
    """Return a device; auto takes cuda, then mps, then cpu. Raises UnusableError."""
    cuda, mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    counts = {"cuda": cuda, "mps": int(mps), "cpu": 1}
    if name == "auto":
        name = next(kind for kind, count in counts.items() if count)
    if name == "cuda" and "LOCAL_RANK" in os.environ:  # of torchrun
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    device = torch.device(name)
    if (device.index or 0) >= counts[device.type]:
        raise UnusableError(f"--device {name}: this machine or this torch lacks it; use auto")
    if device.index:
        torch.cuda.set_device(device)  # random streams are those of the current device
    return device


def free_memory(device: torch.device) -> int:
    """Return the bytes that training may use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # blocks of an earlier trial are free
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    kilobytes = meminfo.read_text().partition("MemAvailable:")[2].split()[0]
    return min((1024 * int(kilobytes), *cgroup_rooms()))


def cgroup_rooms(
    groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """Yield the bytes that each memory limit of a container or job leaves.

    The kernel kills processes that exceed one. Cached files do not count: they can be dropped.
    https://docs.kernel.org/admin-guide/cgroup-v2.html#memory
    """
    lines = groups.read_text().splitlines() if groups.exists() else []
    for name in (line.removeprefix("0::/") for line in lines if line.startswith("0::/")):
        for folder in (root / name, *(root / name).parents):
            with suppress(OSError, ValueError, KeyError):  # the limit may be "max"
                stat = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
                used = int((folder / "memory.current").read_text()) - int(stat["inactive_file"])
                yield max(int((folder / "memory.max").read_text()) - used, 0)


def peak_memory(device: torch.device) -> int:
    """Return the most bytes used: on CUDA by tensors of the trial, else by the process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class ShapeCost(NamedTuple):
    """The cost of a shape."""

    params: int
    sample_bytes: int  # that one sample keeps for the backward pass
    sample_flops: int  # of one sample, forward and backward
    ranks: int = 1  # that share weights, gradients and moments

    @property
    def model_bytes(self) -> int:
        return BYTES_PER_PARAMETER * self.params // self.ranks

    def micro_batch(self, free: int, batch_size: int) -> int:
        """Return the largest power of two of samples that fits, at most the batch; 0 if none."""
        left = int(free * 0.92) - self.model_bytes
        fitting = max(left // self.sample_bytes, 0)
        return batch_size if fitting >= batch_size else (1 << fitting.bit_length()) // 2


def build_on_meta(task: Task, arch: Arch) -> tuple[nn.Module, int]:
    """Return a model on the meta device, which takes no memory, and its parameter count."""
    with torch.device("meta"):
        model = task.build_model(arch, dropout=0.1)
    return model, sum(parameter.numel() for parameter in model.parameters())


def measure(task: Task, arch: Arch) -> ShapeCost:
    """Return the cost of a shape, from a forward pass of two samples on the meta device.

    Saved tensors count once per storage, weights not at all; a backward pass takes twice the
    operations of a forward pass.
    """
    from torch.utils.flop_counter import FlopCounterMode  # loads much of torch

    model, params = build_on_meta(task, arch)
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    saved: dict[int, Tensor] = {}  # keeps the tensors: the address of a freed storage is reused

    def record(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        model(task.sample(2, torch.device("meta")))
    kept = (saved[address] for address in saved.keys() - weights)
    sample_bytes = sum(tensor.untyped_storage().nbytes() for tensor in kept) // 2
    return ShapeCost(params, sample_bytes, 3 * counter.get_total_flops() // 2)


def out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    texts = ("out of memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in texts)
