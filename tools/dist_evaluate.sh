#!/usr/bin/env bash
# Evaluate on several GPUs, or on as many processes on CPUs: they encode the
# images together.
#
# On several machines run it on each, with NNODES, NODE_RANK, MASTER_ADDR and,
# if 29500 is taken, MASTER_PORT.
set -euo pipefail

if (($# < 4)); then
    echo "usage: $0 METHOD CONFIG CHECKPOINT GPUS" \
        "[arguments of evaluate.py METHOD]" >&2
    exit 2
fi
tools=$(dirname "$0")
source "$tools/launch.sh"
run_distributed "$tools/evaluate.py" "$4" "$1" "$2" "$3" "${@:5}"
