// What the kernel answers when a system call is tried that changes nothing.
//
// The trap: the same refusal has many fathers. A seccomp filter answers before
// the kernel has looked at the arguments, so each call is also made with
// arguments that no kernel accepts: whoever answers EFAULT has let it through.

/** `allowed`; the error's name; `killed` by a filter; `unknown` where it could not be tried. */
export type Answer = 'allowed' | 'EPERM' | 'EACCES' | 'ENOSYS' | 'failed' | 'killed' | 'unknown'

export interface Answers {
  /** Whether perf_event_open reaches the kernel at all. */
  readonly perfEvents: Answer
  /** Sampling the target: its own frames, and the kernel's under them. */
  readonly perfUser: Answer
  readonly perfKernel: Answer
  /** Reading the target's memory: whether the kernel's own check lets us attach. */
  readonly attach: Answer
  /** Whether process_vm_readv, ptrace, bpf and setns reach the kernel: it was asked nothing of the target. */
  readonly readMemory: Answer
  readonly ptrace: Answer
  readonly bpf: Answer
  readonly setns: Answer
}

/** Nothing could be asked: no perl and no perf is here. */
export const unasked: Answers = {
  perfEvents: 'unknown',
  perfUser: 'unknown',
  perfKernel: 'unknown',
  attach: 'unknown',
  readMemory: 'unknown',
  ptrace: 'unknown',
  bpf: 'unknown',
  setns: 'unknown',
}

/** A filter that killed who asked refuses as surely as one that answers. */
export function isRefused(answer: Answer): boolean {
  return answer !== 'allowed' && answer !== 'unknown'
}
