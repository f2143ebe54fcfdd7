// `sp-flamegraph completion bash`: the script that completes this command.
//
// Made of the tables that the command itself goes by: flags of `arguments.ts`,
// which of them a subcommand takes from its help, values from the settings. A new
// flag with a value does not compile before it says here what its value is.
//
// The trap: what is shown comes from here alone, and pids. Names of processes
// belong to the targets, and readline would print what they hold.

import { callGraphs, formats, modes, tools } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { flags } from './arguments.ts'
import { help } from './help.ts'
import { patchKinds } from './patch.ts'

type Flags = typeof flags
type ValueFlag = { [K in keyof Flags]: Flags[K]['type'] extends 'string' ? K : never }[keyof Flags]
type Kind = 'file' | 'folder' | 'pid' | 'none' | readonly string[]

const values: Readonly<Record<ValueFlag, Kind>> = {
  duration: ['5', '10', '30', '60'],
  hertz: ['49', '99', '499', '999'],
  mode: modes,
  tool: tools,
  'call-graph': callGraphs,
  format: formats,
  output: 'file',
  to: ['file:', 's3://', 'gs://'],
  live: 'file',
  'keep-raw': 'file',
  spool: 'folder',
  incident: 'none',
  windows: 'none',
  every: 'none',
  config: 'file',
  'print-patch': patchKinds,
  listen: 'none',
  socket: 'file',
  state: 'folder',
  'tls-listen': 'none',
  'tls-cert': 'file',
  'tls-key': 'file',
  'tls-ca': 'file',
  'tls-min': ['1.2', '1.3'],
  client: 'none',
  until: 'none',
  recorder: 'pid',
  grace: 'none',
  queue: 'none',
  slots: 'none',
  'max-memory': 'none',
  'max-cpu': 'none',
  'max-disk': 'none',
}

/** What stands behind a subcommand; files where it is not named here. */
const subjects: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['record', 'pid'],
  ['doctor', 'pid'],
  ['serve', 'none'],
  ['spool', ['list', 'send']],
  ['completion', ['bash']],
])

/** @throws {ProfilerError} `SP_USAGE` for another shell */
export function completion([shell = 'bash', ...more]: readonly string[]): void {
  if (shell !== 'bash' || more.length > 0) {
    throw new ProfilerError('SP_USAGE', `there is completion for bash, not for ${shell}`)
  }
  process.stdout.write(bashCompletion())
}

/** The flags that the help of a subcommand names, long and short. */
export function flagsOf(command: string): string[] {
  const named = new Set(help.get(command)!.match(/(?<![\w-])--[a-z][a-z-]*/g))
  return Object.entries(flags).flatMap(([name, flag]) => {
    if (!named.has(`--${name}`) && name !== 'help') return []
    return 'short' in flag ? [`--${name}`, `-${flag.short}`] : [`--${name}`]
  })
}

function bashCompletion(): string {
  const commands = [...help.keys()].filter(name => name !== '')
  const ofValues = Object.entries(values).map(([name, kind]) => {
    const flag = flags[name as ValueFlag]
    const words = 'short' in flag ? `--${name} | -${flag.short}` : `--${name}`
    const offered = name === 'format' ? offer(kind).replace('_words', '_list') : offer(kind)
    return `    ${words}) ${offered} ;;`
  })
  const ofCommands = commands.map(name => `    ${name}) options='${flagsOf(name).join(' ')}' ;;`)
  const ofSubjects = [...subjects].map(([name, kind]) => `    ${name}) ${offer(kind)} ;;`)
  return `# bash completion of sp-flamegraph, printed by \`sp-flamegraph completion bash\`

_sp_flamegraph() {
  local current=\${COMP_WORDS[COMP_CWORD]} before='' command='' options='' word
  [ "$COMP_CWORD" -gt 0 ] && before=\${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  # Bash takes --mode=wall for three words, and file:DIR as well.
  [ "$current" = = ] && current=''
  [ "$before" = = ] && [ "$COMP_CWORD" -gt 1 ] && before=\${COMP_WORDS[COMP_CWORD - 2]}
  if [ "$before" = : ] || [ "$current" = : ]; then
    [ "$current" = : ] && current=''
    mapfile -t COMPREPLY < <(compgen -d -- "$current")
    compopt -o filenames -o nospace 2>/dev/null
    return
  fi
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
    ${commands.join(' | ')}) command=$word && break ;;
    [0-9]*) [ -n "$command" ] || command=record ;;
    esac
  done
  case $before in
${ofValues.join('\n')}
    *) false ;;
  esac && return
  case $command in
    '') options='${flagsOf('record').join(' ')} --version' ;;
${ofCommands.join('\n')}
  esac
  if [[ $current == -* ]]; then
    _sp_flamegraph_words "$options"
    return
  fi
  case $command in
    '') _sp_flamegraph_words "${commands.join(' ')} $(_sp_flamegraph_pids)" ;;
${ofSubjects.join('\n')}
    *) _sp_flamegraph_files ;;
  esac
}

_sp_flamegraph_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
  # A URL is begun here, not ended.
  case \${COMPREPLY[0]-} in *: | *://) compopt -o nospace 2>/dev/null ;; esac
  return 0
}

# The last one of a list: svg,fol
_sp_flamegraph_list() {
  local given=''
  [[ $current == *,* ]] && given=\${current%,*},
  mapfile -t COMPREPLY < <(compgen -P "$given" -W "$1" -- "\${current##*,}")
}

_sp_flamegraph_files() {
  mapfile -t COMPREPLY < <(compgen -f -- "$current")
  compopt -o filenames 2>/dev/null
  return 0
}

_sp_flamegraph_folders() {
  mapfile -t COMPREPLY < <(compgen -d -- "$current")
  compopt -o filenames 2>/dev/null
  return 0
}

# What may be meant: of other containers, or where there is none all but ourselves. No program is
# started, and no name of a process is shown.
_sp_flamegraph_pids() {
  local folder pid first others='' all=''
  for folder in /proc/[0-9]*; do
    pid=\${folder#/proc/}
    [ "$pid" = "$$" ] || [ "$pid" = "$BASHPID" ] && continue
    # A thread of the kernel, and what has ended, has no command line.
    first=''
    { IFS= read -r -d '' first <"$folder/cmdline"; } 2>/dev/null
    [ -n "$first" ] || continue
    all+="$pid "
    [ "$folder/ns/mnt" -ef /proc/self/ns/mnt ] || others+="$pid "
  done
  printf '%s' "\${others:-$all}"
}

complete -F _sp_flamegraph sp-flamegraph
`
}

function offer(kind: Kind): string {
  if (kind === 'file') return '_sp_flamegraph_files'
  if (kind === 'folder') return '_sp_flamegraph_folders'
  if (kind === 'pid') return '_sp_flamegraph_words "$(_sp_flamegraph_pids)"'
  if (kind === 'none') return 'true'
  return `_sp_flamegraph_words '${kind.join(' ')}'`
}
