#!/usr/bin/env bash
# Everything that must hold before a change goes in; `npm test` runs it. All steps run, also after one that failed,
# and the last line counts them together with the tests: `N passed, N failed` (`, N skipped`).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export PATH="$PWD/node_modules/.bin:$PATH"

passed=0
failed=0
skipped=0
failed_steps=()
scratch=$(mktemp -d)
background=()
trap '[ "${#background[@]}" -eq 0 ] || kill "${background[@]}" 2>/dev/null; rm -rf "$scratch"' EXIT

seconds() { awk -v from="$1" -v to="$(date +%s%N)" 'BEGIN { printf "%.1f s", (to - from) / 1e9 }'; }

# step NAME COMMAND...: one check; its output is shown only when it fails.
step() {
  local name=$1 start
  shift
  start=$(date +%s%N)
  if "$@" >"$scratch/log" 2>&1 </dev/null; then
    passed=$((passed + 1))
    printf 'ok      %-34s %s\n' "$name" "$(seconds "$start")"
  else
    failed=$((failed + 1))
    failed_steps+=("$name")
    cat "$scratch/log"
    printf 'FAILED  %-34s %s\n' "$name" "$(seconds "$start")"
  fi
}

# tests NAME COMMAND...: a vitest run; adds its tests to the counts.
tests() {
  local name=$1 start status=0 test_passed=0 test_failed=0 test_skipped=0 result=ok
  shift
  start=$(date +%s%N)
  rm -f "$scratch/tally"
  TALLY_FILE="$scratch/tally" "$@" </dev/null || status=$?
  if [ -f "$scratch/tally" ]; then read -r test_passed test_failed test_skipped <"$scratch/tally"; fi
  # A run that ended badly without a failed test (a crash, a missing tally) is a failure too.
  if [ "$test_failed" -eq 0 ] && { [ "$status" -ne 0 ] || [ ! -f "$scratch/tally" ]; }; then test_failed=1; fi
  if [ "$test_failed" -ne 0 ]; then
    result=FAILED
    failed_steps+=("$name")
  fi
  passed=$((passed + test_passed))
  failed=$((failed + test_failed))
  skipped=$((skipped + test_skipped))
  printf '%-7s %-34s %s\n' "$result" "$name" "$(seconds "$start")"
}

# By far the longest of these, on one processor: it goes on beside the others and the first tests. No cache: a rule
# that knows types looks beyond the changed file.
eslint --max-warnings 0 . >"$scratch/lint.log" 2>&1 </dev/null &
lint=$!
background+=("$lint")
await_lint() {
  local status=0
  wait "$lint" || status=$?
  cat "$scratch/lint.log"
  return "$status"
}
step 'format (prettier)' prettier --check --log-level warn --cache --cache-location .cache/prettier .
step 'types (tsc)' tsc --noEmit --incremental --tsBuildInfoFile .cache/tsc.json
step 'types (tsc, preload script)' tsc --noEmit -p electron/preload
step 'types (tsc, application tests)' tsc --noEmit -p test/e2e/app
step 'types (svelte-check)' npm run --silent check:window
step 'layers (dependency-cruiser)' depcruise --config build/layers.cjs .
step 'dead code, dependencies (knip)' knip --no-progress
step 'bundle (esbuild)' npm run --silent build
step 'desktop (esbuild, vite)' npm run --silent build:desktop
# Tests of the window start it, tests of graphics cards use the driver in software that comes with it.
step 'Electron (fetched where missing)' tsx build/electron/fetch.ts
tests 'tests: unit, golden, laws, fuzz' vitest run --project pure --project fast
step 'lint (eslint)' await_lint

# The application's tests mostly wait for its windows; the program's compute meanwhile.
TALLY_FILE="$scratch/program.tally" vitest run --project program >"$scratch/program.log" 2>&1 </dev/null &
program=$!
background+=("$program")
await_program() {
  local status=0
  wait "$program" || status=$?
  cat "$scratch/program.log"
  [ ! -f "$scratch/program.tally" ] || cp "$scratch/program.tally" "$TALLY_FILE"
  return "$status"
}
tests 'tests: end to end, application' vitest run --project app
tests 'tests: end to end, program' await_program
# Alone: it computes on every processor for minutes, which the windows would wait for.
tests 'tests: end to end, demo' vitest run --project demo

if [ "${#failed_steps[@]}" -ne 0 ]; then
  printf 'failed: %s\n' "${failed_steps[@]}"
fi
if [ "$skipped" -ne 0 ]; then
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
else
  printf '%d passed, %d failed\n' "$passed" "$failed"
fi
[ "$failed" -eq 0 ]
