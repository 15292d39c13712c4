#!/usr/bin/env bash
# Test with Slurm. Environment: GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK
# (5), SRUN_ARGS.
set -euo pipefail

if (($# < 4)); then
    echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT" \
        "[arguments of test.py]" >&2
    exit 2
fi
tools=$(dirname "$0")
source "$tools/launch.sh"
run_slurm "$1" "$2" "$tools/test.py" "$3" "$4" "${@:5}"
