"""Sharded training: the ranks of torchrun train each trial together, by FSDP2.

Rank 0 runs the search and owns the log. The others execute its calls to the training, each with a
share of the weights, of Adam's moments and of the batch. If a rank dies, the calls of all others
fail, and the run ends; a new run resumes the trial from its checkpoint, with any number of ranks.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint import state_dict as sharded
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from hpo_script.experiment.shared import Arch, Config
from hpo_script.experiment.task import Task
from hpo_script.experiment.training import COUNTERS, DivergedError, Training, stream_seed
from hpo_script.experiment.transformer import Block
from hpo_script.machinery.claim_trials import Search
from hpo_script.machinery.device import ShapeCost
from hpo_script.machinery.log_file import Interrupted
from hpo_script.machinery.run_stops import SIGNALS, STOPPED

FULL = sharded.StateDictOptions(full_state_dict=True, cpu_offload=True)
FROM_RANK_0 = sharded.StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
WAIT = timedelta(days=1)  # for the next call: rank 0 may wait for a full disk


def tell(*call: Any) -> None:
    """Send a call to the other ranks."""
    dist.broadcast_object_list([call], src=0, device=torch.device("cpu"))


def told() -> tuple[Any, ...]:
    """Return the next call of rank 0."""
    call: list[Any] = [None]
    dist.broadcast_object_list(call, src=0, device=torch.device("cpu"))
    found: tuple[Any, ...] = call[0]
    return found


def mean_of_ranks(value: Tensor) -> Tensor:
    """Return the mean of a number over all ranks."""
    total = value.detach().cpu().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def on_all_ranks(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that rank 0 also calls on the others; an error ends the run on all."""

    @functools.wraps(method)
    def call(self: ShardedTraining, *arguments: Any) -> Any:
        try:
            if dist.get_rank() == 0:
                tell(method.__name__, *map(without_weights, arguments))
            return method(self, *arguments)
        except DivergedError:  # the same on all ranks
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            raise Interrupted(f"rank {dist.get_rank()}: {text}", STOPPED) from error

    return call


def without_weights(value: Any) -> Any:
    """Return a state without the tensors that rank 0 sends in parts, any other value unchanged."""
    return {**value, "model": {}, "optimizer": {}} if isinstance(value, dict) else value


def end_rank(code: int) -> NoReturn:
    """End this process without Python's clean-up.

    A thread of gloo may still have to free a tensor, for which it needs a running Python; without
    one the process is aborted.
    """
    sys.stdout.flush()
    os._exit(code)


class ShardedTraining(Training):
    """A training whose weights and optimizer are divided among the ranks."""

    def __init__(
        self, task: Task, arch: Arch, config: Config, key: tuple[int, int], device: torch.device
    ) -> None:
        if dist.get_rank() == 0:
            tell("new", dict(arch), dict(config), key)
        super().__init__(task, arch, config, key, device)
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        options: dict[str, Any] = {"mesh": init_device_mesh(device.type, (self.world,))}
        if device.type == "cuda":
            options["mp_policy"] = MixedPrecisionPolicy(torch.bfloat16, torch.float32)
        blocks = [module for module in self.model.modules() if isinstance(module, Block)]
        for module in (*blocks, self.model):
            whole = fully_shard(module, **options)
            whole.unshard()  # what a first forward pass in inference mode makes, cannot be trained
            whole.reshard()
        parameters = dict(self.model.named_parameters())
        for group in self.optimizer.param_groups:
            group["params"] = [parameters[names[parameter]] for parameter in group["params"]]

    @on_all_ranks
    def learn(self, batch: Tensor, rate: float, micro_batch: int) -> None:
        """Take one optimizer step; every rank trains its share of the batch, or all of it."""
        if self.rank and self.batch == 0:  # train() does this on rank 0
            torch.manual_seed(stream_seed(*self.key, self.step, self.rank, "dropout"))
            self.losses = torch.zeros((), device=self.device)
            self.model.train()
        equal = len(batch) % self.world == 0
        share = batch[self.rank :: self.world] if equal else batch
        super().learn(share, rate, micro_batch)
        self.samples += len(batch) - len(share)

    @on_all_ranks
    def evaluate(self, end: int, micro_batch: int) -> dict[str, Any]:
        """End an interval; every rank computes the metrics of all validation samples."""
        self.losses = mean_of_ranks(self.losses)
        return super().evaluate(end, micro_batch)

    @on_all_ranks
    def state(self) -> dict[str, Any]:
        """Return the whole state on rank 0, from which any number of ranks can continue."""
        streams = [torch.empty_like(self.streams.get_rng_state()) for _ in range(self.world)]
        dist.all_gather(streams, self.streams.get_rng_state())
        model, optimizer = sharded.get_state_dict(self.model, self.optimizer, options=FULL)
        counters = {name: getattr(self, name) for name in COUNTERS}
        whole = {"losses": mean_of_ranks(self.losses), "model": model, "optimizer": optimizer}
        return {**counters, **whole, "stream": streams, "device": self.device.type}

    @on_all_ranks
    def restore(self, state: Mapping[str, Any]) -> None:
        """Load a state on all ranks; with another number of ranks, dropout draws other numbers."""
        for name in COUNTERS:
            setattr(self, name, state[name])
        self.losses = self.losses.to(self.device)
        sharded.set_model_state_dict(self.model, state["model"], options=FROM_RANK_0)
        optimizer = state["optimizer"]
        sharded.set_optimizer_state_dict(
            self.model, self.optimizer, optimizer, options=FROM_RANK_0
        )
        if (state["device"], len(state["stream"])) == (self.device.type, self.world):
            self.streams.set_rng_state(state["stream"][self.rank])


class ShardedSearch(Search):
    """The trials of one run, each trained by all ranks of torchrun, or by one rank without it."""

    def __post_init__(self) -> None:
        """Connect the ranks; those other than 0 stay here until the run ends."""
        super().__post_init__()
        backend = "cpu:gloo,cuda:nccl" if self.device.type == "cuda" else "gloo"
        if "WORLD_SIZE" in os.environ:
            dist.init_process_group(backend, timeout=WAIT)
        else:
            store = dist.HashStore()  # type: ignore[attr-defined]  # torch lists no names
            dist.init_process_group(backend, store=store, rank=0, world_size=1)
        self.arguments.overrides["ranks"] = str(dist.get_world_size())
        self.new_training = ShardedTraining
        if dist.get_rank():
            end_rank(self.follow())

    @staticmethod
    def plan(
        task: Task, device: torch.device, arguments: Namespace
    ) -> tuple[dict[int, ShapeCost], int]:
        """Return the costs of a rank, and the bytes that it has."""
        costs, free = Search.plan(task, device, arguments)
        costs = {row: cost._replace(ranks=arguments.ranks) for row, cost in costs.items()}
        return costs, int(1e9 * arguments.rank_gb) if arguments.rank_gb else free

    def follow(self) -> int:
        """Execute the calls of rank 0; return the exit code."""
        for number in SIGNALS:  # rank 0 decides, after a checkpoint
            signal.signal(number, signal.SIG_IGN)
        training: Any = None
        while (call := told())[0] != "end":
            name, *arguments = call
            if name == "new":
                arch, config, key = arguments
                training = ShardedTraining(self.task, arch, config, key, self.device)
                continue
            with suppress(DivergedError):
                getattr(training, name)(*arguments)
        dist.destroy_process_group()
        return 0

    def close_run(self, reason: str) -> None:
        """Write the results, and let the other ranks end."""
        super().close_run(reason)
        if dist.is_initialized():
            with suppress(RuntimeError):  # a rank is dead
                tell("end")
                dist.destroy_process_group()
