"""Command line: read before the packages are imported, so that --help needs none of them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from hpo_script.constants import DATA_PATH, NAME
from hpo_script.final.constants import TRAIN_ON


def parse_arguments(doc: str) -> Namespace:
    """Read the command line; the constants above are its defaults."""
    about, _, usage = doc.partition("\n\n")
    parser = ArgumentParser(f"{NAME}.py", description=about, epilog=usage, allow_abbrev=False)
    parser.formatter_class = RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--data", default=DATA_PATH, metavar="PATH", help="default: %(default)s")
    add("--new-data", action="store_true", help="use data other than those of the study")
    splits = ("train", "train+validation")
    add("--train-on", default=TRAIN_ON, choices=splits, help="default: %(default)s")
    add("--device", default="auto", metavar="D", help="auto, cpu, cuda, cuda:N, mps")
    log = Path("logs", f"{NAME}.log")
    add("--out", type=Path, metavar="DIR", help="weights; default: outputs/<name of the log>")
    add("--log", default=log, type=Path, metavar="FILE", help="default: %(default)s")
    add("--checkpoint-minutes", default=5.0, type=float, metavar="N", help="0: after each batch")
    add("--evaluate-again", action="store_true", help="read the test split again, and log that")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--predict", type=Path, metavar="FILE", help="score the rows of a file")
    mode.add_argument("--export", choices=["onnx"], help="write the model in another format")
    add(
        "--weights", type=Path, metavar="FILE", help="of --predict and --export; default: the best"
    )
    add("--output", type=Path, metavar="FILE", help="of --predict; default: stdout")
    args = parser.parse_args()
    args.out = args.out or Path("outputs", args.log.stem)
    using = args.predict or args.export
    paths = {"predict": args.predict, "weights": args.weights} if using else {"data": args.data}
    missing = [f"--{n} {path}" for n, path in paths.items() if path and not Path(path).exists()]
    devices = ("auto", "cpu", "mps", "cuda", *(f"cuda:{index}" for index in range(64)))
    rules = {
        f"--device {args.device} is not auto, cpu, cuda, cuda:N or mps": args.device in devices,
        f"--log {args.log} is a folder, not a file": not args.log.is_dir(),
        f"no such file: {', '.join(missing)}": not missing,
        "--weights needs --predict or --export": using or not args.weights,
        "--output needs --predict": args.predict or not args.output,
    }
    for broken in (rule for rule, holds in rules.items() if not holds):
        parser.error(broken)
    return args
