#!/usr/bin/env bash
# All that a session on a GPU should find out, in under eight minutes and without a network:
#
#     benchmarks/on_gpu.sh [FOLDER]             # FOLDER: where results go, by default build/gpu-results
#     benchmarks/on_gpu.sh --dry-run [FOLDER]   # without a GPU: every stage but the device's own, on the host's bodies
#
# Each stage has a time limit, a log and one line of the summary, which is written as soon as the stage ends: what stands
# so far is never lost. A stage that fails does not stop the others. The exit status is the number of stages that failed.
# Needed: nvcc 12 or later, CMake, Ninja, pybind11, CuPy, what the tests need, and what fwdad needs; compute-sanitizer and
# ncu where they are; for a dry run, an installed fwdad. With FWDAD_DATA set, mnist is trained on, too.
set -uo pipefail
cd "$(dirname "$0")/.."

dry=
patience=1
if [ "${1-}" = --dry-run ]; then
  dry=yes
  patience=10 # a busy machine is no fault of the script
  shift
fi
results=$(mkdir -p "${1-build/gpu-results}" && cd "${1-build/gpu-results}" && pwd)
summary=$results/summary.txt
: >"$summary"
rm -rf "$results/digits" "$results/mnist"
failed=0

# stage NAME SECONDS COMMAND...: run it, log it, add a line to the summary.
stage() {
  local name=$1 limit=$(($2 * patience)) began=$SECONDS status
  shift 2
  timeout --kill-after=5 "$limit" "$@" >"$results/$name.log" 2>&1
  status=$?
  case $status in
    0) status=passed ;;
    124 | 137) status="stopped after $limit s" ;;
    *) status="failed ($status)" ;;
  esac
  [ "$status" = passed ] || failed=$((failed + 1))
  printf '%-12s %-20s %4d s  %s\n' "$name" "$status" $((SECONDS - began)) "$(tail -n 1 "$results/$name.log" | cut -c 1-90)" |
    tee -a "$summary"
}

{
  echo "commit $(git rev-parse HEAD 2>/dev/null || echo unknown), $(date -u +%FT%TZ)"
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || echo "no GPU"
} | tee -a "$summary"

if [ -z "$dry" ]; then
  build=build/gpu
  configure=(cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DFWDAD_CUDA=ON)
  configure+=(-DCMAKE_CUDA_ARCHITECTURES="${FWDAD_GPU_ARCH-90}" "-Dpybind11_DIR=$(python -m pybind11 --cmakedir)")
  stage configure 20 "${configure[@]}"
  stage build 150 cmake --build "$build"
  export PYTHONPATH=$PWD/$build/package
fi
stage info 10 python -m fwdad.cli info

if [ -z "$dry" ]; then
  stage tests 100 python -m pytest -q -m gpu -n 4 tests
  some=(python -m pytest -q -x -m gpu -k "cuda-device and (affine_jvp or gram or unit_jvp) and not large" tests/kernels)
  for tool in memcheck racecheck; do
    command -v compute-sanitizer >/dev/null &&
      stage "$tool" 30 compute-sanitizer --tool "$tool" --error-exitcode 9 "${some[@]}"
  done
  on=(--device cuda)
  device=(--device cuda)
  size=()
else
  stage tests 60 python -m pytest -q -x -rs -k "not cuda" tests/kernels/test_axpby.py
  on=(--peers none)
  size=(--w 16 --k 2)
  device=()
fi

bench=(python -m fwdad.cli bench)
stage kernels 50 "${bench[@]}" kernels --quick "${on[@]}" --only "${dry:+axpby}" --json "$results/kernels.json"
stage step 40 "${bench[@]}" step --quick "${on[@]}" "${size[@]}" --json "$results/step.json"
stage train 20 python -m fwdad.cli train --epochs 2 "${device[@]}" --out "$results/digits"
if [ -n "${FWDAD_DATA-}" ]; then
  stage mnist 30 python -m fwdad.cli train --data mnist --epochs 1 "${device[@]}" --out "$results/mnist"
fi
if [ -z "$dry" ] && command -v ncu >/dev/null; then
  longest='regex:affine|stream|gram'
  stage ncu 20 ncu --csv --set basic --kernel-name "$longest" --launch-count 6 "${bench[@]}" kernels --quick \
    --device cuda --peers none --only product
fi
echo "$failed stages failed; results in $results" | tee -a "$summary"
exit "$failed"
