#!/usr/bin/env bash
# Four studies, their final scripts and verdicts, in the current folder; then the logs that
# docs/how-to/winners.md reads, compressed, into a folder: bash run.sh KEPT
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
kept="$(mkdir -p "$1" && cd "$1" && pwd)"
for data in sp500 nasdaq stdlib; do
    mkdir -p "$data"
    cp "$here/$data/plan.yaml" "$data/plan.yaml"
    (
        cd "$data"
        case "$data" in stdlib) file=data/stdlib.txt ;; *) file="data/$data.csv" ;; esac
        test -e "$file" || hpogen demo-data "$data" --out "$file"
        hpogen render --plan plan.yaml
        hpogen run plan.yaml
        for log in logs/hpo_*.log; do
            hpogen render --kind final --from "$log" --seeds 3 --force
            python "final_$(basename "$log" .log).py"
        done
        for log in logs/hpo_*.log logs/final_*.log; do
            gzip -9nc "$log" > "$kept/$data-$(basename "$log").gz"
        done
    )
done
