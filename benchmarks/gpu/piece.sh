#!/usr/bin/env bash
# One piece of a long training: runs it for at most nine minutes, and goes on where the last piece stopped.
#   benchmarks/gpu/piece.sh RECIPE KEY=VALUE ...
# It ends with 75 where there is more to do: say it again until it prints its table; the result is then in results/gpu/.
# PIECE_SECONDS changes the nine minutes.
set -euo pipefail

recipe=$1
shift
name=$(printf '%s-' "$recipe" "$@" | tr ' /=.' '-' | sed 's/-$//')
arguments=("$recipe" --name "$name" --runs-dir runs/gpu --set checkpoint_every=200)
for edit in "$@"; do arguments+=(--set "$edit"); done
if [ -e "runs/gpu/$name/config.json" ]; then arguments+=(--resume); fi

timeout --signal=KILL "${PIECE_SECONDS:-540}" bitspike train "${arguments[@]}" || [ $? -eq 137 ]

if [ -e "runs/gpu/$name/result.json" ]; then
  mkdir -p results/gpu
  cp "runs/gpu/$name/result.json" "results/gpu/$name.json"
else
  echo "not finished: $(grep -c loss "runs/gpu/$name/metrics.jsonl") lines; say it again" >&2
  exit 75
fi
