#!/usr/bin/env bash
# One piece of a conversion: trains the network of ReLUs, then fine-tunes, converts and checks it on all test images.
#   benchmarks/gpu/convert.sh RECIPE KEY=VALUE ...     (an argument that begins with -- is an option of bitspike convert)
# Runs for at most nine minutes, ends with 75, and goes on where it stopped when it is said again. PIECE_SECONDS changes
# the nine minutes.
set -euo pipefail

recipe=$1
shift
seed=0
name=$(printf '%s-' "$recipe" "$@" | tr ' /=.,' '-' | sed 's/-$//')
options=(--set checkpoint_every=200)
for edit in "$@"; do
  case $edit in
    --*) options+=("$edit") ;;
    *) options+=(--set "$edit") ;;
  esac
  case $edit in seed=*) seed=${edit#seed=} ;; esac
done
ann=runs/gpu/$recipe-ann-seed$seed
if [ -e "runs/gpu/$name/config.json" ]; then options+=(--resume); fi

mkdir -p runs/gpu
timeout --signal=KILL "${PIECE_SECONDS:-540}" bitspike convert "$recipe" --ann "$ann" --name "$name" --runs-dir runs/gpu \
  --json "${options[@]}" > "runs/gpu-$name.json" || [ $? -eq 137 ]

if [ -s "runs/gpu-$name.json" ]; then
  mkdir -p results/gpu
  mv "runs/gpu-$name.json" "results/gpu/$name.json"
else
  echo "not finished; say it again" >&2
  exit 75
fi
