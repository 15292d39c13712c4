#!/usr/bin/env bash
# Train on several GPUs, or on as many processes on CPUs.
#
# On several machines run it on each, with NNODES, NODE_RANK, MASTER_ADDR and,
# if 29500 is taken, MASTER_PORT.
set -euo pipefail

if (($# < 2)); then
    echo "usage: $0 CONFIG GPUS [arguments of train.py]" >&2
    exit 2
fi
tools=$(dirname "$0")
source "$tools/launch.sh"
run_distributed "$tools/train.py" "$2" "$1" "${@:3}"
