#!/usr/bin/env bash
# Test on several GPUs, or on as many processes on CPUs.
#
# On several machines run it on each, with NNODES, NODE_RANK, MASTER_ADDR and,
# if 29500 is taken, MASTER_PORT.
set -euo pipefail

if (($# < 3)); then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of test.py]" >&2
    exit 2
fi
tools=$(dirname "$0")
source "$tools/launch.sh"
run_distributed "$tools/test.py" "$3" "$1" "$2" "${@:4}"
