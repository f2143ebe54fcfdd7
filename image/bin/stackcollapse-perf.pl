#!/bin/bash
# stackcollapse-perf.pl's place on PATH: the text of `perf script` in, folded stacks on standard output,
# by `sp-flamegraph render`. The process's name is the root, kernel and compiled frames are marked.
set -euo pipefail

usage='usage: perf script | stackcollapse-perf.pl [--all] [FILE] > out.folded
Taken, for it is done anyway: --kernel, --jit, --all, --inline.'
fail() { echo "stackcollapse-perf.pl (of sp-flamegraph): $*" >&2 && exit 2; }

file=-
for word in "$@"; do
  case $word in
  -h | --help) echo "$usage" && exit ;;
  --kernel | --jit | --all | --inline) ;;
  -) ;;
  -*) fail "$word has no counterpart here; see --help, or sp-flamegraph render --help" ;;
  *) [ "$file" = - ] || fail 'one file at a time'; file=$word ;;
  esac
done
exec sp-flamegraph render "$file" --format folded --output -
