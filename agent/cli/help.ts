// What `--help` prints: at most 40 lines each, examples last.

const exitCodes = `Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by the redaction gate, 4 not permitted,
            5 no such target, 6 could not publish, 7 over a limit or cancelled`

const common = `  -f, --format LIST      svg, folded, json, pprof, speedscope   (default svg,folded,json,pprof)
  -o, --output FILE      one file, its format by its ending; "-" is standard output
      --to URL           file:DIR, s3://BUCKET/PREFIX or gs://… (default file:flamegraphs)
  -i, --incident NAME    the incident to publish under          (default INC-date-time)
      --force            replace the --output file if it exists
      --json             JSON lines on standard output, nothing else
      --config FILE      settings as JSON; also SP_FLAMEGRAPH_HERTZ and so on
      --print-config     show every setting and where it came from
      --debug            show where in our code an error arose`

export const help: ReadonlyMap<string, string> = new Map([
  [
    '',
    `sp-flamegraph: a flame graph of a running process, without restarting it

Usage: sp-flamegraph                     what runs here, and the capture to type
       sp-flamegraph [record] PID        capture, name, redact, draw, publish
       sp-flamegraph doctor [PID]        what would work, and what to grant where it would not
       sp-flamegraph render FILE…        draw a profile that exists ("-" reads standard input)
       sp-flamegraph diff FILE FILE      what changed between two profiles
       sp-flamegraph serve               wait, idle, for those who ask over HTTP
       sp-flamegraph spool [send]        what could not be published yet, and another try
       sp-flamegraph completion bash     what completes all this in bash

  -h, --help             this, or that of a subcommand
      --version          the version

Nothing personal leaves: every name is redacted before it is drawn, and a gate reads the final
bytes and refuses to publish what still looks personal.

${exitCodes}

Examples:
  sp-flamegraph
  sp-flamegraph record 4321 --hertz 999 --duration 30 --incident INC-4711
  perf script | sp-flamegraph render -
`,
  ],
  [
    'record',
    `sp-flamegraph record: a flame graph of a running process, without restarting it

Usage: sp-flamegraph record [options] [PID | --all]

Without a PID it takes the only busy process, or lists the busy ones to choose from. A PID that is
idle (tini, a shell, a master) stands for the busiest worker below it, and that is said.

  -d, --duration TIME    how long to sample: 30, 500ms, 2m      (default 30)
  -F, --hertz N          samples a second of CPU time, to 999   (default 99)
  -m, --mode MODE        cpu, wall, off-cpu, both, alloc, heap or lock: what the runtime's tools
                         can tell; off-cpu: where threads wait  (default cpu)
      --tool NAME        the one to use                         (default by runtime)
      --windows WHAT     several captures as one: 3, or when each begins: 0s,120s,300s
      --every TIME       one begins each TIME; without --windows, until Ctrl-C or 32 of them
      --pause            let py-spy or rbspy stop the target for each sample (under 1 ms)
      --allow-remote-eval  ask an Erlang node itself, with its cookie, where perf sees no names
      --all              every busy process, side by side, each with its own receipt
      --call-graph HOW   fp, dwarf (for code without frame pointers) or auto  (default auto)
      --native           also what runs outside JavaScript: native code, kernel, helper threads
      --stat             count instructions, cache misses, faults and switches beside it
      --live FILE        the picture so far, redacted like all, written anew while it samples
      --keep-raw FILE    what the tool gives, as it is (perf.data, .nettrace): never redacted
      --alone            not by the daemon that runs here (\`serve\`): the result is the same
${common}

Ctrl-C stops and keeps what there is; twice stops and discards it.

Examples:
  sp-flamegraph record 4321
  sp-flamegraph record 4321 -d 5 --windows 3 --every 60s
  sp-flamegraph record 4321 -F 999 -d 5 --incident INC-4711 --to s3://incidents/graphs
  sp-flamegraph record 4321 --mode off-cpu --stat -o waits.svg
`,
  ],
  [
    'doctor',
    `sp-flamegraph doctor: what would work here, and what to grant where it would not

Usage: sp-flamegraph doctor [options] [PID]

Without a PID it looks at every busy process. It asks the kernel, harmlessly, instead of reading
settings: what it calls blocked is blocked, and what it says works does.

      --print-patch KIND the least to grant, as YAML for the process PID:
                         pod    a sidecar with its securityContext
                         debug  for \`kubectl debug --custom\`
                         scc    SecurityContextConstraints of OpenShift
  -m, --mode MODE        for which mode --print-patch is         (default cpu)
  -F, --hertz N          for which rate                          (default 99)
      --tool NAME        this tool only
      --json             everything, as one line of JSON

works: nothing is missing.  degraded: it can be captured, and what is missing is said.
blocked: it cannot be captured until what is named is granted.

Exit codes: 0 something works, 4 everything is blocked, 5 no such target

Examples:
  sp-flamegraph doctor
  sp-flamegraph doctor 4321
  sp-flamegraph doctor 4321 --print-patch debug > custom.yaml
`,
  ],
  [
    'render',
    `sp-flamegraph render: draw profiles that exist

Usage: sp-flamegraph render [options] FILE…        ("-" reads standard input)

Reads perf.data, perf script text, folded stacks, py-spy raw, rbspy, phpspy, pprof, cpuprofile,
speedscope, .NET's nettrace and Java's JFR, also gzipped: told by content. Several files become
one picture. Addresses of a perf.data are named from this machine's files, where they are the ones
that were mapped.

${common}

Examples:
  sp-flamegraph render perf.data -o flame.svg
  perf script | sp-flamegraph render - -o flame.svg
  sp-flamegraph render cpu.pb.gz --format svg,folded --incident INC-4711
`,
  ],
  [
    'diff',
    `sp-flamegraph diff: what changed between two profiles

Usage: sp-flamegraph diff [options] BEFORE AFTER       ("-" reads standard input)

Reads what render reads. Shares of the two are compared, so they may be of different lengths and
loads. Written are diff.folded (stack, before, after: what difffolded.pl prints, and flamegraph.pl
draws) and diff.json (the functions that changed most, what is gone, what is new).

  -f, --format LIST      folded, json                           (default both)
  -o, --output FILE      one file instead of a folder; "-" is standard output
      --to file:DIR      where to publish                       (default file:flamegraphs)
  -i, --incident NAME    the incident to publish under          (default INC-date-time)
      --force            replace the --output file if it exists
      --json             JSON lines on standard output, nothing else

Examples:
  sp-flamegraph diff window-1.folded window-3.folded
  sp-flamegraph diff before/profile.pb.gz after/profile.pb.gz --incident INC-4711
  sp-flamegraph diff before.perf after.perf -o - | flamegraph.pl > diff.svg
`,
  ],
  [
    'serve',
    `sp-flamegraph serve: the pre-warmed daemon

Usage: sp-flamegraph serve [options]

It listens and idles; the first byte of a connection wakes what captures, which leaves again when
a minute has passed without work. SIGTERM ends it: what runs is stopped, kept and published first.

      --listen HOST:PORT     plain HTTP for the pod, with the token, or "off"
                                                                (default 127.0.0.1:6110)
      --socket FILE          the same on a unix socket          (default STATE/daemon.sock)
      --tls-listen HOST:PORT mutual TLS for those outside; needs the next four
      --tls-cert, --tls-key  our certificate and its key, PEM; read again when they change
      --tls-ca FILE          the CA of those who may come
      --client SAN=ROLE      who may what: viewer, capturer, admin; may be given several times
      --tls-min 1.2          also TLS 1.2                       (default 1.3)
      --until TIME           end by itself: 90m, or 2026-11-25T18:00:00Z
      --once                 end when the first capture is over, and sent
      --recorder busy|PID    keep the last minutes of it, at 49 Hz, for those who ask late
      --grace SECONDS        from SIGTERM to the end            (default 25)
      --slots N, --queue N   captures at once, and that wait    (default by cores; 16)
      --max-memory MB        one capture may use, or it is ended (default 768)
      --max-cpu PERCENT      of one core, over 10 s             (default 150)
      --max-disk MB          finished captures kept here        (default 256)
      --state DIR            where it keeps token and captures; a folder of its own
      --to URL               where to publish, if an ask does not say
      --config FILE          settings as JSON; --print-config shows all and where each came from

The token is in STATE/token, mode 0600: Authorization: Bearer …

Examples:
  sp-flamegraph serve
  sp-flamegraph serve --until 4h --config /etc/sp-flamegraph.json
`,
  ],
  [
    'spool',
    `sp-flamegraph spool: captures that could not be published yet

Usage: sp-flamegraph spool [list]        what waits, since when, and for which destination
       sp-flamegraph spool send          send it, the oldest first

A capture for s3:// or gs:// is written here before it is sent, and leaves when its manifest, which
goes last, has arrived. So nothing is lost when the store is down or this process is killed, and
nothing is sent twice: what has arrived is recognized by its checksum. What is damaged is set aside.

      --spool DIR        where the spool is                     (default the temporary folder)
      --config FILE      settings as JSON: spoolMaxBytes (256MB), spoolMaxEntries (100),
                         uploadDeadline (30s; send takes 20 times as long), s3Endpoint, s3Region,
                         s3PathStyle; also SP_FLAMEGRAPH_SPOOL_MAX_BYTES and so on
      --json             JSON lines on standard output, nothing else

Exit codes: 0 nothing waits any more, 1 something was damaged, 6 something still waits

Examples:
  sp-flamegraph spool
  sp-flamegraph spool send
  sp-flamegraph spool send --spool /var/spool/flamegraphs --json
`,
  ],
  [
    'completion',
    `sp-flamegraph completion: what completes subcommands, options, values and pids in a shell

Usage: sp-flamegraph completion [bash]

It is made of the same tables as the command itself, and needs nothing but bash.

Examples:
  source <(sp-flamegraph completion bash)
  sp-flamegraph completion bash > /etc/bash_completion.d/sp-flamegraph
`,
  ],
])
