#!/bin/sh
# Run the example to its report, then keep serving (with ONCE=1: end).
# usage: run.sh DIRECTORY, with `penstock` and its Python on the PATH.
set -eu
here=$(dirname "$0")
mkdir -p "$1"
directory=$(cd "$1" && pwd)
# An earlier run's results would hide a failure of this one.
rm -rf "$directory/counts" "$directory/report"

python "$here/generate.py" "$directory/logs"
penstock run "$here/pipeline.json" \
    --name access-log \
    --data "$directory/penstock" \
    --parameter "myDirectory=file://$directory"

report="$directory/report/2024-05-14-09/report.txt"
printf '\n'
cat "$report"
printf '\nThe report stands in %s\n' "$report"

if [ -z "${ONCE:-}" ]; then
    printf '\nThe same server goes on serving; the pipeline can be looked at with\n'
    printf '  .venv/bin/penstock status access-log --data %s\n\n' "$directory/penstock"
    exec penstock serve --data "$directory/penstock"
fi
