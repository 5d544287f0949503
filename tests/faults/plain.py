"""Optuna alone: the study of a rendered script as Optuna's tutorials would write it."""

import argparse
import os
import runpy
from pathlib import Path

import optuna
import torch
from optuna.study import MaxTrialsCallback

parser = argparse.ArgumentParser()
storage = os.environ.get("OPTUNA_STORAGE", "sqlite:///outputs/plain/study.db")
parser.add_argument("--n-trials", type=int)
arguments = parser.parse_args()
script = runpy.run_path(str(*Path().glob("hpo_*.py")))
task, rows = script["make_task"](script["DATA_PATH"]), script["ARCHITECTURES"]
task.load(torch.device("cpu"))
n_trials = arguments.n_trials or script["N_TRIALS"]


def objective(trial: optuna.Trial) -> float:
    config = dict(script["FIXED_PARAMS"])
    arch_idx = trial.suggest_int("arch_idx", 0, len(rows) - 1)
    config["learning_rate"] = trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True)
    config["dropout"] = trial.suggest_float("dropout", 0.0, 0.3)
    torch.manual_seed(trial.number)
    model = task.build_model(rows[arch_idx], config["dropout"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=config["learning_rate"])
    losses = []
    for epoch in range(config["epochs"]):
        model.train()
        for batch in task.batches(config, epoch, seed=epoch):
            inputs, targets = task.training_batch(batch)
            optimizer.zero_grad()
            task.loss(model(inputs), targets, config).backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            losses.append(task.evaluate(model, 512)["val_loss"])
        trial.report(losses[-1], epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return min(losses)


if storage.startswith("journal://"):
    backend = optuna.storages.journal.JournalFileBackend(storage.removeprefix("journal://"))
    storage = optuna.storages.JournalStorage(backend)
else:
    Path("outputs/plain").mkdir(parents=True, exist_ok=True)
sampler = optuna.samplers.TPESampler(seed=script["SEED"])
study = optuna.create_study(
    storage=storage, study_name="plain", sampler=sampler, load_if_exists=True
)
for arch_idx in script["EXTREME_INDICES"]:
    study.enqueue_trial({"arch_idx": arch_idx}, skip_if_exists=True)
done = len([trial for trial in study.trials if trial.state.is_finished()])
if done < n_trials:
    study.optimize(objective, n_trials=n_trials - done, callbacks=[MaxTrialsCallback(n_trials)])
