#!/usr/bin/env bash
# What only a GPU can tell: tests and benchmarks on a machine with an NVIDIA GPU and nothing else.
set -uo pipefail

usage='gpu.sh build FOLDER                 with Rust: build the programs, and copy this script beside them
gpu.sh [--without-gpu] [REPORT.md]  there: run everything, and write the report'
name=burn-pipeline-benchmarks
# A step that hangs must not keep the others from running.
seconds_per_step=1200

die() {
    printf '%s\n' "$*" >&2
    exit 2
}

build() {
    local folder=$1 commit executables executable target
    mkdir -p "$folder" || exit
    folder=$(realpath "$folder")
    cp "${BASH_SOURCE[0]}" "$folder/gpu.sh" || exit
    cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
    commit=$(git rev-parse HEAD) || commit=unknown
    [[ -z $(git status --porcelain) ]] || commit+=', changed'
    executables=$(
        cargo build --release --locked -p burn-pipeline-tests -p "$name" \
            --features burn-pipeline-tests/devices,burn-pipeline/cuda,burn-pipeline/vulkan \
            --test devices --bin "$name" --message-format json-render-diagnostics |
            sed -n 's/.*"executable":"\([^"]*\)".*/\1/p'
    ) || die 'The programs could not be built.'
    while read -r executable; do
        target=$(basename "$executable")
        # Cargo gives a test's program a hash.
        [[ $target == devices-* ]] && target=devices
        strip -o "$folder/$target" "$executable" || exit
    done <<<"$executables"
    printf '%s, built with %s\n' "$commit" "$(rustc --version)" >"$folder/commit"
    check "$folder"
    printf 'Copy %s to the machine with the GPU, and run gpu.sh there.\n' "$folder"
}

check() {
    local program
    for program in devices "$name"; do
        [[ -x $1/$program ]] || die "$1 has no program \`$program\`: make it with \`gpu.sh build FOLDER\`."
    done
}

steps=0
failed=()

# A title, and a command to run, whose lines go to the report with how it ended.
# shellcheck disable=SC2016 # These backticks are Markdown's.
step() {
    local title=$1 status began=$SECONDS
    shift
    steps=$((steps + 1))
    printf '\n## %s\n\n```sh\n%s\n```\n\n```text\n' "$title" "$(printf '%q ' "$@" | sed 's/\\,/,/g; s/ $//')"
    timeout "$seconds_per_step" "$@" 2>&1
    status=$?
    printf '```\n\n'
    case $status in
    0) printf 'Passed in %s s.\n' $((SECONDS - began)) ;;
    124) printf '**Failed**: it took longer than %s s.\n' "$seconds_per_step" ;;
    *) printf '**Failed** after %s s with exit status %s.\n' $((SECONDS - began)) "$status" ;;
    esac
    [[ $status == 0 ]] || failed+=("$title")
}

tests() { step "$1" env BURN_PIPELINE_DEVICES="$2" ./devices --test-threads 1; }

bench() {
    local title=$1
    shift
    step "$title" "./$name" "$@" --devices "$device"
}

conditions() {
    printf '# burn-pipeline on %s\n\n' "${gpu:-no GPU}"
    printf '| | |\n|---|---|\n'
    printf '| GPU, driver, memory | %s |\n' "${gpu:-none}"
    printf '| CPU | %s, %s cores |\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)"
    printf '| commit | %s |\n' "$(cat commit)"
    printf '| date | %s |\n' "$(date -u '+%Y-%m-%d %H:%M UTC')"
}

# A Transformer whose activations fill the card when all are kept: 576 MiB of parameters, four times
# over with gradients and copies, and 576 MiB of activations a sample. Pools take a third more.
samples_that_fill() {
    local mib=$1 samples
    samples=$(((mib * 65 / 100 - 4 * 576) / 576 / 8 * 8))
    printf '%s\n' $((samples > 8 ? samples : 8))
}

everything() {
    local vulkan which
    conditions
    step 'Devices' "./$name" devices
    if [[ -n $gpu ]]; then
        tests 'Transparency on CUDA' "cuda:0 cuda:0,cuda:0"
        vulkan=$("./$name" devices | grep -m 1 -E '^vulkan:(discrete|integrated|virtual):')
        if [[ -n $vulkan ]]; then
            tests 'Transparency on CUDA and Vulkan together' "cuda:0,$vulkan $vulkan,cuda:0"
        else
            printf '\n## Transparency on CUDA and Vulkan together\n\nLeft out: there is no Vulkan driver for a GPU.\n'
        fi
    else
        tests 'Transparency on the CPU' 'flex flex,flex'
    fi

    bench 'Streams, small kernels' throughput --stages 1,2,4 "${small[@]}"
    bench 'Streams, a larger Transformer' throughput --models transformer --stages 1,2,4 "${larger[@]}"
    bench 'Streams, a larger Transformer in bf16' throughput --models transformer --stages 1,2,4 --precision bf16 "${larger[@]}"

    # One at a time: what does not fit must not keep the others from running.
    bench 'Memory, plain' memory --stages 0 "${filling[@]}"
    for which in never except-last always; do
        bench "Memory, $which" memory --stages 1,2 --rematerialization "$which" "${filling[@]}"
        bench "Memory, $which, in bf16" memory --stages 1,2 --rematerialization "$which" --precision bf16 "${filling[@]}"
    done

    printf '\n## Summary\n\n'
    if ((${#failed[@]} == 0)); then
        printf 'All %s steps passed.\n' "$steps"
    else
        printf '%s of %s steps failed:\n\n' "${#failed[@]}" "$steps"
        printf -- '- %s\n' "${failed[@]}"
    fi
    ((${#failed[@]} == 0))
}

without_gpu=
case ${1-} in
build)
    [[ $# == 2 ]] || die "$usage"
    build "$2"
    exit
    ;;
--without-gpu)
    without_gpu=yes
    shift
    ;;
-*) die "$usage" ;;
esac
[[ $# -le 1 ]] || die "$usage"

report=$(realpath "${1-report.md}") || exit
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
check "$PWD"
gpu=
if [[ -z $without_gpu ]]; then
    gpu=$(nvidia-smi --id=0 --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null) ||
        die 'This machine has no NVIDIA GPU that nvidia-smi finds: --without-gpu runs everything on the CPU.'
    mib=$(nvidia-smi --id=0 --query-gpu=memory.total --format=csv,noheader,nounits)
    device=cuda:0
    small=(--micro-batches '1,4,8,16' --rematerialization 'never,except-last')
    larger=(--micro-batches '4,8' --rematerialization 'never,except-last' --layers 8 --width 1024 --batch-size 16 --length 512)
    filling=(--layers 12 --width 1024 --length 512 --batch-size "$(samples_that_fill "$mib")" --micro-batches 8 --repetitions 3)
else
    nvidia-smi >/dev/null 2>&1 || printf 'This machine has no NVIDIA GPU that nvidia-smi finds.\n' >&2
    device=flex
    small=(--micro-batches 4 --rematerialization except-last --layers 4 --width 16 --batch-size 4 --length 8 --repetitions 1)
    larger=(--micro-batches 4 --rematerialization except-last --layers 4 --width 64 --batch-size 8 --length 32 --repetitions 1)
    filling=(--layers 4 --width 64 --length 32 --batch-size 8 --micro-batches 4 --repetitions 1)
fi
everything | tee "$report"
