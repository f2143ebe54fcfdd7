# The shell of `kubectl debug -it POD --image=… --target=app`. In the image: /etc/bash.bashrc, which
# Debian's bash reads when it is interactive. scripts/build-image puts the completion beside it.
#
# What runs here and the capture to type, a prompt that names the pod, a history to go up in.
# Leaving it ends what it started, and removes what it wrote.
#
# The trap: /tmp may be shared with the target, and HOME is /tmp. So nothing is read from there
# (~/.bashrc, ~/.inputrc, ~/.bash_history), and the home of this shell is a folder of its own.
# No HOME, a read-only root, any uid and a broken command must still end in a prompt.

[[ $- == *i* ]] || return 0

case :$PATH: in *:/usr/local/bin:*) ;; *) PATH=/usr/local/bin:$PATH ;; esac
case :$PATH: in *:/usr/sbin:*) ;; *) PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin ;; esac
export PATH

# In memory only. Commands that name a customer or a token are nobody's business afterwards.
unset HISTFILE
HISTCONTROL=ignoreboth
shopt -s checkwinsize

# The home: what is not ours alone is not trusted. An emptyDir is everyone's (0777, and not sticky) though root owns it,
# and where others may rename, they can put theirs in the place of ours. Where no folder can be made, one that is not there.
__sp_is() { [[ "$(stat -Lc '%u %A' -- "$2" 2>/dev/null)" =~ $1 ]]; }
__sp_ours="^$EUID d....-..-" __sp_safe="^(0|$EUID) d(....-..-|........[tT])" __sp_home=''
if ! __sp_is "$__sp_ours" "${HOME-}"; then
  for __sp_at in "${TMPDIR:-/tmp}" /dev/shm; do
    __sp_is "$__sp_safe" "$__sp_at" || continue
    __sp_home=$(umask 077 && mktemp -d "$__sp_at/sp-profiler-shell.XXXXXXXX" 2>/dev/null) && break
  done
  export HOME=${__sp_home:-/nonexistent}
fi
unset -f __sp_is
unset __sp_ours __sp_safe __sp_at
[[ -w . ]] || cd "${TMPDIR:-/tmp}" 2>/dev/null || cd / || true

# A capture that runs in the background stops, keeps and publishes what it has: so it is given time.
__sp_leave() {
  local pid tries=100 pids
  trap '' HUP TERM
  mapfile -t pids < <(jobs -p)
  for pid in "${pids[@]}"; do
    kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null
    kill -CONT -- "-$pid" 2>/dev/null
  done
  for pid in "${pids[@]}"; do
    while kill -0 -- "-$pid" 2>/dev/null && ((tries-- > 0)); do sleep 0.1; done
    kill -KILL -- "-$pid" 2>/dev/null
  done
  [[ -z $__sp_home ]] || rm -rf -- "$__sp_home"
}
trap __sp_leave EXIT

# The pod is the name of the host, but for one on the host's network. Names may hold nothing that a
# prompt would expand.
__sp_prompt() {
  local pod=${POD_NAME:-${HOSTNAME:-}} namespace=${POD_NAMESPACE:-} bold='' plain=''
  local file=/var/run/secrets/kubernetes.io/serviceaccount/namespace
  [[ -n $namespace || ! -r $file ]] || IFS= read -r -n 63 namespace <"$file" || true
  pod=${pod//[^A-Za-z0-9.-]/} namespace=${namespace//[^A-Za-z0-9-]/}
  # Its end tells two pods of a deployment apart. On a narrow terminal it is all there is room for.
  local room=$((${COLUMNS:-80} / 2)) folder=' \w'
  ((room >= 30)) || namespace='' folder=''
  ((room >= 10)) || room=10
  ((${#pod} <= room)) || pod=..${pod: -$((room - 2))}
  case ${TERM:-dumb} in dumb) ;; *) bold='\[\e[1m\]' plain='\[\e[0m\]' ;; esac
  PROMPT_DIRTRIM=2
  PS1="$bold${pod:-profiler}$plain${namespace:+ ($namespace)}$folder \\\$ "
}
__sp_completion=${BASH_SOURCE[0]%/etc/*}/usr/share/bash-completion/completions/sp-flamegraph
# shellcheck disable=SC1090
[[ ! -r $__sp_completion ]] || . "$__sp_completion"

# kubectl attaches when the container runs already, and shows nothing of what was written before. What it brings is the
# size of its terminal: that is waited for, but not for long.
for __sp_try in {1..30}; do
  [[ $(stty size 2>/dev/null) == '0 0' ]] || break
  sleep 0.1
done
# After a child bash asks for the size.
(:)
__sp_prompt
unset __sp_completion __sp_try
unset -f __sp_prompt

# The screen, line by line as it comes; the captures in it are what the arrow key brings. Last of all:
# whoever presses Ctrl-C has the prompt at once.
__sp_screen() {
  local line captures=() at
  while IFS= read -r line; do
    printf '%s\n' "$line"
    [[ $line =~ ^\ \ (sp-flamegraph\ record\ [0-9]+( [a-z0-9-]+)*)\ *# ]] && captures+=("${BASH_REMATCH[1]% }")
  done < <(
    sp-flamegraph 2>&1 </dev/null && exit
    (($? != 137)) || echo '# sp-flamegraph was killed: most likely this pod is at its memory limit'
    echo '# sp-flamegraph failed; the tools are on PATH all the same'
  )
  history -s 'sp-flamegraph --help'
  history -s 'sp-flamegraph doctor'
  # The first suggestion is the first that comes up.
  for ((at = ${#captures[@]} - 1; at >= 0; at--)); do history -s "${captures[at]}"; done
}
# A shell in this shell has been told already.
if [[ -z ${SP_PROFILER_SHELL-} ]]; then
  export SP_PROFILER_SHELL=$$
  __sp_screen
fi
