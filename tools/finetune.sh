# Sourced by the scripts that finetune detectors, after launch.sh.

# finetuning_words CONFIG PRETRAIN [arguments of train.py]
#
# Sets `words`: the arguments of train.py, with the checkpoint and a work dir;
# and `options`: the config's overrides among them.
finetuning_words() {
    local config=$1 pretrain=$2 word work_dir= resumes= into=
    shift 2
    options=()
    for word in "$@"; do
        case "$word" in
            --cfg-options) into=options ;;
            --work-dir) into=work_dir ;;
            --work-dir=*) work_dir=${word#*=} into= ;;
            --resume | --resume=*) resumes=yes into= ;;
            --*) into= ;;
            *)
                if [[ "$into" == options ]]; then
                    options+=("$word")
                elif [[ "$into" == work_dir ]]; then
                    work_dir=$word into=
                fi
                ;;
        esac
    done
    words=("$config" "$@")
    if [[ -z "$work_dir" ]]; then
        work_dir=work_dirs/detection/$(stem "$config")/$(run_name "$pretrain")
        words+=(--work-dir "$work_dir")
    fi
    if [[ -z "$resumes" ]] && compgen -G "$work_dir/*.pth" >/dev/null; then
        echo "error: the work dir $work_dir holds checkpoints of a run; go" \
            "on with --resume, or name another folder with --work-dir" >&2
        exit 1
    fi
    if [[ "$pretrain" == none ]]; then
        words+=(--cfg-options model.init_cfg=None)
    else
        words+=(--cfg-options "model.init_cfg.checkpoint=$pretrain")
    fi
}

# check_detection CONFIG PRETRAIN [PROCESSES]: all that does not fit, before
# anything is trained.
check_detection() {
    local given=(${3:+--processes "$3"})
    if ((${#options[@]})); then
        given+=(--cfg-options "${options[@]}")
    fi
    "$(pick_python)" "$(dirname "${BASH_SOURCE[0]}")/check_detection.py" \
        "$1" "$2" "${given[@]}"
}

# Checkpoints of all methods are called epoch_N.pth: their folder tells whose.
run_name() {
    local folder
    folder=$(basename "$(dirname "$1")")
    if [[ "$1" == none || "$folder" == . ]]; then
        stem "$1"
    else
        echo "$folder-$(stem "$1")"
    fi
}

stem() {
    local name
    name=$(basename "$1")
    echo "${name%.*}"
}
