# Sourced by the scripts beside it.

# The Python of the project's environment, unless another one is active.
pick_python() {
    local own
    own="$(dirname "${BASH_SOURCE[0]}")/../.venv/bin/python"
    if [[ -n "${PYTHON:-}" ]]; then
        echo "$PYTHON"
    elif [[ -z "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" && -x "$own" ]]; then
        echo "$own"
    else
        echo python
    fi
}

check_gpus() {
    if [[ ! "$1" =~ ^[1-9][0-9]*$ ]]; then
        echo "error: GPUS must be a number from 1 on, got '$1'" >&2
        exit 2
    fi
}

# run_distributed TOOL GPUS [arguments of the tool]
run_distributed() {
    local tool=$1 gpus=$2 rendezvous
    shift 2
    check_gpus "$gpus"
    if [[ "${NNODES:-1}" == 1 ]]; then
        rendezvous=(--standalone) # takes a free port
    else
        rendezvous=(
            --nnodes "$NNODES"
            --node-rank "${NODE_RANK:?is needed when NNODES is set}"
            --master-addr "${MASTER_ADDR:?is needed when NNODES is set}"
            --master-port "${MASTER_PORT:-29500}"
        )
    fi
    # This module is torchrun, but of the Python that was chosen.
    exec "$(pick_python)" -m torch.distributed.run "${rendezvous[@]}" \
        --nproc-per-node "$gpus" "$tool" "$@" --launcher pytorch
}

# run_slurm PARTITION JOB_NAME TOOL [arguments of the tool]
run_slurm() {
    local partition=$1 job_name=$2
    local gpus=${GPUS:-8} per_node
    shift 2
    per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    # Jobs that share a machine must not share a port.
    export MASTER_PORT=${MASTER_PORT:-$((20000 + RANDOM % 20000))}
    # SRUN_ARGS is a list of words.
    # shellcheck disable=SC2086
    exec srun -p "$partition" --job-name="$job_name" \
        --gres=gpu:"$per_node" --ntasks="$gpus" \
        --ntasks-per-node="$per_node" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} "$(pick_python)" -u "$@" --launcher slurm
}
