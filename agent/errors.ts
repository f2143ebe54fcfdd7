// Every failure that a person can meet: one table, one class.
//
// A code is a promise: the README's Troubleshooting names exactly these, and a
// test holds the two together. The message says what happened, with the facts
// of this case; the hint says what to do, and is the same for every case.

export interface ErrorKind {
  readonly hint: string
  /** What the command returns: see `sp-flamegraph --help`. */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 6 | 7
  /** What the daemon answers. */
  readonly status: number
}

export const errorKinds = {
  SP_USAGE: {
    hint: 'See `sp-flamegraph --help`, or `--help` after the subcommand.',
    exit: 2,
    status: 400,
  },
  SP_CONFIG_INVALID: {
    hint: 'Mend every setting named above; `--print-config` shows where each came from.',
    exit: 2,
    status: 400,
  },
  SP_TARGET_AMBIGUOUS: {
    hint: 'Name one of the processes listed: `sp-flamegraph record PID`.',
    exit: 2,
    status: 409,
  },
  SP_TARGET_GONE: {
    hint: 'List what runs now with `sp-flamegraph`, and name a living pid.',
    exit: 5,
    status: 404,
  },
  SP_TARGET_REUSED: {
    hint: 'The pid belongs to another process now. List what runs with `sp-flamegraph`.',
    exit: 5,
    status: 409,
  },
  SP_NOT_SHARED: {
    hint: 'Share the PID namespace: `shareProcessNamespace: true` in the pod, or `kubectl debug --target=CONTAINER`.',
    exit: 5,
    status: 404,
  },
  SP_NOT_PERMITTED: {
    hint: 'Ask `sp-flamegraph doctor PID` what works; its `--print-patch pod` prints what to grant.',
    exit: 4,
    status: 403,
  },
  SP_TOOL_MISSING: {
    hint: 'Install the tool named above, or choose another with `--tool`.',
    exit: 1,
    status: 501,
  },
  SP_TOOL_UNSUITABLE: {
    hint: 'Leave out `--tool`: the tool that suits the runtime is chosen for you.',
    exit: 2,
    status: 400,
  },
  SP_TOOL_FAILED: {
    hint: 'Read what the tool said above; `--tool` chooses another one.',
    exit: 1,
    status: 500,
  },
  SP_TOOL_BUSY: {
    hint: 'Wait until the other profiler has ended, or choose another tool with `--tool`.',
    exit: 1,
    status: 409,
  },
  SP_CANCELLED: {
    hint: 'Nothing was kept. One Ctrl-C stops the capture and keeps what it has; two discard it.',
    exit: 7,
    status: 409,
  },
  SP_LIMIT: {
    hint: 'Ask for a shorter capture or a lower rate, or raise the limit named above.',
    exit: 7,
    status: 413,
  },
  SP_NO_SAMPLES: {
    hint: 'The target may have been idle: give it load, or record for longer with `--duration`.',
    exit: 1,
    status: 422,
  },
  SP_FORMAT_UNKNOWN: {
    hint: 'Give a perf.data, `perf script` text, folded, py-spy, rbspy, phpspy, pprof, cpuprofile, speedscope, nettrace or JFR file.',
    exit: 1,
    status: 415,
  },
  SP_PERF_DATA_MALFORMED: {
    hint: 'Record again; if it happens twice, keep the file and report it.',
    exit: 1,
    status: 422,
  },
  SP_PERF_SCRIPT_MALFORMED: {
    hint: 'Make the text with `perf script` and no options that change its layout.',
    exit: 1,
    status: 422,
  },
  SP_FOLDED_MALFORMED: {
    hint: 'Each line is a stack, frames separated by `;`, then a space and a count.',
    exit: 1,
    status: 422,
  },
  SP_PPROF_MALFORMED: {
    hint: 'Fetch the profile again; a cut download is the usual cause.',
    exit: 1,
    status: 422,
  },
  SP_CPUPROFILE_MALFORMED: {
    hint: 'Record the profile again; a cut file is the usual cause.',
    exit: 1,
    status: 422,
  },
  SP_SPEEDSCOPE_MALFORMED: {
    hint: 'Export the file again; a cut file is the usual cause.',
    exit: 1,
    status: 422,
  },
  SP_NETTRACE_MALFORMED: {
    hint: 'Record the trace again; if it happens twice, keep the file and report it.',
    exit: 1,
    status: 422,
  },
  SP_JFR_MALFORMED: {
    hint: 'Dump the recording again (`jcmd PID JFR.dump`): one that is copied while it is written is not whole.',
    exit: 1,
    status: 422,
  },
  SP_ERL_DIST_MALFORMED: {
    hint: 'Record again; if it happens twice, keep the file and report it.',
    exit: 1,
    status: 422,
  },
  SP_ELF_MALFORMED: {
    hint: 'The addresses in this file stay without names; the rest of the profile is not affected.',
    exit: 1,
    status: 422,
  },
  SP_REDACTION_REFUSED: {
    hint: 'Nothing was published. The artefact is in the quarantine named above, for you alone to read.',
    exit: 3,
    status: 422,
  },
  SP_INPUT_UNREADABLE: {
    hint: 'Check the path and its permissions; `-` reads standard input.',
    exit: 1,
    status: 400,
  },
  SP_INPUT_DAMAGED: {
    hint: 'Copy or fetch the file again: its compressed bytes do not inflate.',
    exit: 1,
    status: 422,
  },
  SP_OUTPUT_EXISTS: {
    hint: 'Name another file, or allow it to be replaced with `--force`.',
    exit: 2,
    status: 409,
  },
  SP_OUTPUT_FAILED: {
    hint: 'Check the folder, its permissions and the free space.',
    exit: 6,
    status: 507,
  },
  SP_STORE_CREDENTIALS: {
    hint: 'Give this process an identity and a region for the store (README, "Publishing to a store"), then `sp-flamegraph spool send`.',
    exit: 6,
    status: 502,
  },
  SP_STORE_REFUSED: {
    hint: 'Grant what the store missed (README, "Publishing to a store"), then `sp-flamegraph spool send`.',
    exit: 6,
    status: 502,
  },
  SP_STORE_MISSING: {
    hint: 'Make the bucket, or mend its name, region or endpoint, then `sp-flamegraph spool send`.',
    exit: 6,
    status: 502,
  },
  SP_STORE_UNREACHABLE: {
    hint: 'When the store answers again, `sp-flamegraph spool send`; what has arrived is not sent twice.',
    exit: 6,
    status: 504,
  },
  SP_STORE_CONFLICT: {
    hint: 'Look at both: the object in the store was not replaced. Remove one of them, then `sp-flamegraph spool send`.',
    exit: 6,
    status: 409,
  },
  SP_UPLOAD_STOPPED: {
    hint: 'Go on with `sp-flamegraph spool send`: what has arrived is not sent twice.',
    exit: 6,
    status: 503,
  },
  SP_SPOOL_FULL: {
    hint: 'Empty it with `sp-flamegraph spool send`, or raise `spoolMaxBytes` or `spoolMaxEntries`.',
    exit: 7,
    status: 507,
  },
  SP_SPOOL_DAMAGED: {
    hint: 'It was set aside and not sent. Look at it where it is now, and remove it.',
    exit: 1,
    status: 500,
  },
  SP_DAEMON_RUNNING: {
    hint: 'Use the one that runs, or give this one a `--state` folder of its own.',
    exit: 2,
    status: 409,
  },
  SP_DAEMON_LOST: {
    hint: 'What it captured is kept and published all the same; `GET /v1/captures` tells, once it is back.',
    exit: 1,
    status: 500,
  },
  SP_VERSION_DIFFERS: {
    hint: 'Restart the daemon with this version, or record with `--alone`.',
    exit: 1,
    status: 409,
  },
  SP_LISTEN_FAILED: {
    hint: 'Choose another address with `--listen` or `--tls-listen`, or end what holds this one.',
    exit: 1,
    status: 500,
  },
  SP_TLS_INVALID: {
    hint: 'Check the files of `--tls-cert`, `--tls-key` and `--tls-ca`: PEM, and the key of this certificate.',
    exit: 2,
    status: 500,
  },
  SP_UNAUTHENTICATED: {
    hint: 'Send `Authorization: Bearer` and the token that the daemon wrote into `token` in its state folder.',
    exit: 4,
    status: 401,
  },
  SP_FORBIDDEN: {
    hint: 'Map the identity named above to a higher role with `--client`, or ask with another certificate.',
    exit: 4,
    status: 403,
  },
  SP_REQUEST_INVALID: {
    hint: 'Mend every field named above; `/openapi.json` says what each route takes.',
    exit: 2,
    status: 400,
  },
  SP_REQUEST_TOO_LARGE: {
    hint: 'An ask has some hundred bytes. Send less.',
    exit: 7,
    status: 413,
  },
  SP_MEDIA_TYPE: {
    hint: 'Send the body as `Content-Type: application/json`.',
    exit: 2,
    status: 415,
  },
  SP_ROUTE_UNKNOWN: {
    hint: 'Look into `/openapi.json`: it lists every route.',
    exit: 2,
    status: 404,
  },
  SP_METHOD_UNKNOWN: {
    hint: 'The `Allow` header says what the path may be asked.',
    exit: 2,
    status: 405,
  },
  SP_CAPTURE_UNKNOWN: {
    hint: 'List what is known with `GET /v1/captures`; the oldest are forgotten first.',
    exit: 5,
    status: 404,
  },
  SP_CAPTURE_RUNNING: {
    hint: 'Watch the capture that runs, or cancel it; then ask again.',
    exit: 1,
    status: 409,
  },
  SP_CAPTURE_DIED: {
    hint: 'Ask again. If memory ran out, ask for a lower rate or a shorter capture, or raise the limit of this container.',
    exit: 1,
    status: 500,
  },
  SP_QUEUE_FULL: {
    hint: 'Wait until a capture has ended, or cancel one; `--queue` and `--slots` set the limits.',
    exit: 7,
    status: 429,
  },
  SP_IDEMPOTENCY_REUSED: {
    hint: 'Use a new Idempotency-Key for each ask; the same key is for the same ask, sent again.',
    exit: 2,
    status: 422,
  },
  SP_BUDGET: {
    hint: 'Ask for a lower rate or a shorter capture, or raise the limit named above.',
    exit: 7,
    status: 507,
  },
  SP_DRAINING: {
    hint: 'Ask again when it is back.',
    exit: 7,
    status: 503,
  },
  SP_INTERNAL: {
    hint: 'This is our fault. Run again with `--debug` and report what it prints.',
    exit: 1,
    status: 500,
  },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorKinds

/** What else is known of the failure. Never a personal value: facts are logged and printed. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | readonly string[]>>

export class ProfilerError extends Error {
  readonly code: ErrorCode
  readonly facts: ErrorFacts

  constructor(
    code: ErrorCode,
    message: string,
    options: { facts?: ErrorFacts; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ProfilerError'
    this.code = code
    this.facts = options.facts ?? {}
  }

  get hint(): string {
    return errorKinds[this.code].hint
  }

  get exit(): number {
    return errorKinds[this.code].exit
  }

  get status(): number {
    return errorKinds[this.code].status
  }
}

/** The `code` of a system error (`ENOENT`), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}
