#!/bin/bash
# difffolded.pl's place on PATH: two files of folded stacks in, `stack before after` on standard output, by
# `sp-flamegraph diff`.
set -euo pipefail

usage='usage: difffolded.pl [-n] [-s] BEFORE AFTER > out.folded
  -n    scale the first, so that both have the same total
  -s    addresses (0x…) are all the same'
fail() { echo "difffolded.pl (of sp-flamegraph): $*" >&2 && exit 2; }

scale='' same='' files=()
for word in "$@"; do
  case $word in
  -h | --help) echo "$usage" && exit ;;
  -n) scale=yes ;;
  -s) same=yes ;;
  -ns | -sn) scale=yes same=yes ;;
  -?*) fail "$word has no counterpart here; see --help, or sp-flamegraph diff --help" ;;
  *) files+=("$word") ;;
  esac
done
[ ${#files[@]} = 2 ] || fail 'two files: before and after'

if [ -n "$same" ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  for at in 0 1; do
    sed -E 's/0x[0-9a-fA-F]+/0x…/g' -- "${files[at]}" >"$scratch/$at"
    files[at]=$scratch/$at
  done
fi
sp-flamegraph diff "${files[@]}" --format folded --output - |
  if [ -z "$scale" ]; then cat; else
    awk '{ before[NR] = $(NF - 1); after[NR] = $NF; sub(/ [^ ]+ [^ ]+$/, ""); stack[NR] = $0; b += before[NR]; a += after[NR] }
      END { for (i = 1; i <= NR; i++) printf "%s %d %d\n", stack[i], b ? before[i] * a / b : before[i], after[i] }'
  fi
