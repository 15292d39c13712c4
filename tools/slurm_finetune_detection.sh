#!/usr/bin/env bash
# Finetune a detector from a checkpoint with Slurm. What does not fit is
# listed before a job is queued. PRETRAIN is a checkpoint of a pretraining, or
# none for random weights. Environment: as slurm_train.sh.
set -euo pipefail

if (($# < 4)); then
    echo "usage: $0 PARTITION JOB_NAME CONFIG PRETRAIN" \
        "[arguments of train.py]" >&2
    exit 2
fi
tools=$(dirname "$0")
source "$tools/launch.sh"
source "$tools/finetune.sh"
finetuning_words "$3" "$4" "${@:5}"
# Without a number of processes: this machine may have no GPUs, the job's have.
check_detection "$3" "$4"
run_slurm "$1" "$2" "$tools/train.py" "${words[@]}"
