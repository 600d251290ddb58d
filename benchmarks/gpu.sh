#!/usr/bin/env bash
# What a GPU is to show, in one go, for a machine that is lent for minutes: does it compute right, how fast does it train, and then the
# shipped generators and the cells of small_data.py for as long as is given.
#
#   benchmarks/gpu.sh PHOTOGRAPHS EXAMPLES RESULTS MINUTES [KIMG_SHIPPED] [KIMG_CELLS]
#
# PHOTOGRAPHS holds isic2017, isic_uda1 and ham10000, EXAMPLES is a checkout of github.com/pytorch/examples, MINUTES are those of training;
# the rest takes about four more. Nothing need be installed but the packages that gpu_smoke.py names, efficientnet-pytorch and Jinja2. What
# is measured and made is in RESULTS, also if it is stopped half-way.
set -uo pipefail
[ $# -ge 4 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
photographs=$(realpath "$1") examples=$(realpath "$2") minutes=$4 shipped=${5:-2000} cells=${6:-500}
mkdir -p "$3" && results=$(realpath "$3")
cd "$(dirname "$0")/.."
export PYTHON=${PYTHON:-python3} PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
"$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || { echo "PyTorch sees no GPU here." >&2; exit 1; }
work=$(mktemp -d)
export GAN_AUG_HOME=$work/workspace GAN_AUG_CHECKPOINTS=$work/checkpoints
mkdir -p "$GAN_AUG_HOME" "$GAN_AUG_CHECKPOINTS/pretrained"
cp -r checkpoints/pretrained/derm "$GAN_AUG_CHECKPOINTS/pretrained/"
say() { printf '\n== %(%H:%M:%S)T  %s\n' -1 "$*"; }

keep() { # what there is so far goes to the results
    cp benchmarks/results/{small_data.jsonl,train_speed.json} "$results/" 2>/dev/null
    for card in "$GAN_AUG_CHECKPOINTS"/*/README.md; do # which only a finished generator has
        name=$(basename "$(dirname "$card")")
        [ -f "$card" ] && tar -C "$GAN_AUG_CHECKPOINTS" -cf "$results/$name.tar" "$name"
    done
}

trap 'keep; [ -n "${CUDA_MPS_PIPE_DIRECTORY:-}" ] && echo quit | timeout 10 nvidia-cuda-mps-control >/dev/null' EXIT
trap 'exit 130' INT TERM

"$PYTHON" benchmarks/small_data.py prepare "$photographs" &
importing=$!
say "Does it compute right?"
"$PYTHON" benchmarks/gpu_smoke.py --json "$results/gpu_smoke.json" || say "It does not."
wait $importing || exit 1
say "How fast does it train?"
"$PYTHON" benchmarks/train_speed.py --examples "$examples" --device cuda --steps 500 --warm 50 --threads 2 --rounds 3

say "Training, $minutes minutes"
if command -v nvidia-cuda-mps-control >/dev/null; then # without it processes take turns
    mkdir -p "$work/mps"
    export CUDA_MPS_PIPE_DIRECTORY=$work/mps CUDA_MPS_LOG_DIRECTORY=$work/mps
    nvidia-cuda-mps-control -d
fi
"$PYTHON" benchmarks/shipped.py --data isic_cc0 --kimg "$shipped" --minutes "$minutes" --processes 6 --as-it-is &
cells() { # dataset, GANs, recipes, processes
    "$PYTHON" benchmarks/small_data.py run --data "$1" --gans "$2" --recipes "$3" --processes "$4" --seeds 0,1,2 --kimg "$cells" \
        --minutes "$minutes" --winners
}
for data in ham10000 isic_cc0; do
    cells $data dcgan,sngan,acgan,wgan_gp small-data,aidl21,paper 4 &
    cells $data r3gan 'small-data;paper+width=48' 1 & # at its full width R3GAN would take all the time there is
done
while [ -n "$(jobs -r)" ]; do
    sleep 15
    keep
done
