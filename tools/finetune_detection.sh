#!/usr/bin/env bash
# Finetune a detector from a checkpoint on several GPUs, or on as many
# processes on CPUs. What does not fit is listed before anything is trained.
#
# PRETRAIN is a checkpoint of a pretraining, or none for random weights. The
# work dir is work_dirs/detection/CONFIG/PRETRAIN unless --work-dir is given.
# On several machines: as dist_train.sh.
set -euo pipefail

if (($# < 3)); then
    echo "usage: $0 CONFIG PRETRAIN GPUS [arguments of train.py]" >&2
    exit 2
fi
tools=$(dirname "$0")
source "$tools/launch.sh"
source "$tools/finetune.sh"
check_gpus "$3"
finetuning_words "$1" "$2" "${@:4}"
check_detection "$1" "$2" $(($3 * ${NNODES:-1}))
if (($3 * ${NNODES:-1} == 1)); then
    # Without a process group SyncBN is plain BN, also on a CPU.
    exec "$(pick_python)" "$tools/train.py" "${words[@]}"
fi
run_distributed "$tools/train.py" "$3" "${words[@]}"
