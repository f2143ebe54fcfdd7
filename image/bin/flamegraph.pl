#!/bin/bash
# flamegraph.pl's place on PATH: folded stacks in, SVG on standard output, drawn by `sp-flamegraph render`.
# Of two counts a line (difffolded.pl) the second is drawn.
set -euo pipefail

usage='usage: flamegraph.pl [--reverse] [FILE] > out.svg      folded stacks, from FILE or standard input
Taken, and without effect here: --title, --subtitle, --width, --height, --minwidth, --fonttype, --fontsize,
--countname, --nametype, --colors, --bgcolors, --hash, --random, --cp, --negate, --notes, --encoding,
--inverted.'
fail() { echo "flamegraph.pl (of sp-flamegraph): $*" >&2 && exit 2; }

reverse='' file='' ignored=()
while [ $# -gt 0 ]; do
  case $1 in
  -h | --help) echo "$usage" && exit ;;
  --reverse) reverse=yes ;;
  --hash | --random | --cp | --negate | --inverted) ignored+=("$1") ;;
  --title=* | --subtitle=* | --width=* | --height=* | --minwidth=* | --fonttype=* | --fontsize=* | --countname=* | --nametype=* | \
    --colors=* | --color=* | --bgcolors=* | --notes=* | --encoding=*) ignored+=("${1%%=*}") ;;
  --title | --subtitle | --width | --height | --minwidth | --fonttype | --fontsize | --countname | --nametype | \
    --colors | --color | --bgcolors | --notes | --encoding) [ $# -gt 1 ] || fail "$1 needs a value"; ignored+=("$1") && shift ;;
  -) ;;
  -*) fail "$1 has no counterpart here; see --help, or sp-flamegraph render --help" ;;
  *) [ -z "$file" ] || fail 'one file at a time'; file=$1 ;;
  esac
  shift
done
[ ${#ignored[@]} = 0 ] || echo "# flamegraph.pl (of sp-flamegraph): ${ignored[*]} changed nothing" >&2
if [ -n "$file" ]; then
  [ -r "$file" ] || { echo "flamegraph.pl (of sp-flamegraph): $file cannot be read" >&2 && exit 1; }
  exec <"$file"
fi

# A frame may hold blanks, and the second count is the last word.
awk -v reverse="$reverse" '
  match($0, / [0-9]+(\.[0-9]+)? [0-9]+(\.[0-9]+)?$/) {
    if (!told++) print "# flamegraph.pl (of sp-flamegraph): two counts: widths are of the second; sp-flamegraph diff says what changed" > "/dev/stderr"
    count = $NF; $0 = substr($0, 1, RSTART - 1) " " count
    if (count == 0) next
  }
  reverse && match($0, / [^ ]+$/) {
    count = substr($0, RSTART); n = split(substr($0, 1, RSTART - 1), frames, ";")
    line = frames[n]; for (i = n - 1; i > 0; i--) line = line ";" frames[i]
    $0 = line count
  }
  { print }' | sp-flamegraph render - --format svg --output -
