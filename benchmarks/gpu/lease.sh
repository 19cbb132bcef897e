#!/usr/bin/env bash
# Runs rows of QUEUE.md, from the top, on a machine with a GPU that is here for a while, until its time is spent.
#   benchmarks/gpu/lease.sh [SECONDS]      (720 unless said)
# Say it again on the next one, with runs/gpu/ kept: rows that have ended are passed over, one that was cut off goes on.
# WHEELS=FOLDER installs from there, without a network; setting up gets three minutes. LEASE_OUT=FOLDER is left an archive
# of the results that were made, to be unpacked in the checkout and committed.
set -euo pipefail
cd "$(dirname "$0")/../.."

whole=${1:-720} ending=20 least=45
left() { echo $((whole - ending - SECONDS)); }
ended=runs/gpu/ended
mkdir -p runs/gpu results/gpu
touch "$ended" runs/gpu/begun

set_up() { # torch as the machine has it, with CUDA; beside it what is missing
  [ -x build/gpu/bin/python ] || python3 -m venv --system-site-packages build/gpu
  needs=()
  for need in numpy safetensors pydantic typer rich accelerate tensorboard pytest xdist=pytest-xdist hypothesis triton torch; do
    build/gpu/bin/python -c "import ${need%=*}" 2>/dev/null || needs+=("${need#*=}")
  done
  if [ ${#needs[@]} -gt 0 ]; then
    timeout 110 build/gpu/bin/python -m pip install --quiet --constraint constraints.txt \
      ${WHEELS:+--no-index --find-links "$WHEELS"} "${needs[@]}"
  fi
  if ! build/gpu/bin/python -c "import spikingjelly" 2>/dev/null; then # one row compares with it; the others go without
    timeout 60 build/gpu/bin/python -m pip install --quiet --no-deps --constraint constraints.txt \
      ${WHEELS:+--no-index --find-links "$WHEELS"} spikingjelly || echo "SpikingJelly is not here" >&2
  fi
  printf '#!/bin/sh\nexec "%s/build/gpu/bin/python" -m bitspike "$@"\n' "$PWD" > build/gpu/bin/bitspike
  chmod +x build/gpu/bin/bitspike
  build/gpu/bin/python -c 'import torch; assert torch.cuda.is_available(), "torch sees no GPU"'
}

row() { # 0: ended; 75, or 124 and 137 of timeout: cut off; anything else: failed
  PIECE_SECONDS=$(left) timeout --kill-after=5 "$(($(left) + 5))" bash -c "$1"
}

set_up
export PATH="$PWD/build/gpu/bin:$PATH" PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
echo "set up in $SECONDS s; $(left) s are left"

while IFS= read -r command <&3; do
  if [ "$(left)" -lt "$least" ]; then break; fi
  if grep -qxF -- "$command" "$ended"; then continue; fi
  before=$SECONDS status=0
  row "$command" || status=$?
  case $status in
    0) echo "$command" >> "$ended" && word=ended ;;
    75 | 124 | 137) word="cut off" ;;
    *) word="failed with $status" ;;
  esac
  echo "$word after $((SECONDS - before)) s: $command"
done 3< <(sed -n 's/^| [0-9]* | `\(.*\)` | .*/\1/p' benchmarks/gpu/QUEUE.md)

if [ -n "${LEASE_OUT:-}" ]; then
  mkdir -p "$LEASE_OUT"
  { find results -newer runs/gpu/begun -type f; echo "$ended"; } | tar -czf "$LEASE_OUT/results.tgz" -T -
fi
