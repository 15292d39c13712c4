#!/usr/bin/env bash
# Train with Slurm. Environment: GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK
# (5), SRUN_ARGS.
set -euo pipefail

if (($# < 4)); then
    echo "usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR" \
        "[arguments of train.py]" >&2
    exit 2
fi
tools=$(dirname "$0")
source "$tools/launch.sh"
run_slurm "$1" "$2" "$tools/train.py" "$3" --work-dir "$4" "${@:5}"
