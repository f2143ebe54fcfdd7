// Asks the kernel what it would let us do, with system calls that change nothing.
//
// JavaScript makes no system call of its own choice, but perl does, and every
// Debian image has one. Where none is, perf itself is asked to count for a
// moment; where neither is, the answers are unknown, and the plan goes by the
// capabilities that are held.
//
// The trap: a filter may not answer but kill. So each call is made by a child
// of the perl, and a child that is killed has an answer too.
//
// https://man7.org/linux/man-pages/man2/perf_event_open.2.html

import { findTool } from '../plan/privileges.ts'
import { type Answer, type Answers, unasked } from '../runtimes/answers.ts'
import { startTool, type ToolEnd } from './run.ts'

// A list of what runs shows eight, and `--json` all: a pod has fewer, a node is not what this is for.
const maxPids = 256
// It is 10 ms of work; a sidecar that is throttled gets its next share of CPU after 100.
const limitMs = 2000
const maxOutput = 64 << 10

/** Asks once for all of these processes; what could not be asked is `unknown`. */
export async function askKernel(pids: readonly number[]): Promise<(pid: number) => Answers> {
  const asked = pids.slice(0, maxPids)
  const perl = findTool('perl')
  const perf = findTool('perf')
  const numbers = systemCalls.get(process.arch)
  if (perl !== undefined && numbers !== undefined) {
    const { said } = await run(perl, ['-e', program, numbers.join(','), ...asked.map(String)])
    const answers = readAnswers(said)
    if (answers.size > 0) return pid => answersFor(pid, answers)
  }
  if (perf === undefined) return () => unasked
  const answers = new Map<string, Answer>()
  // Each is a perf of its own, so only what a person waits for is asked: one process, not a list.
  if (asked.length === 1) {
    for (const [who, modifier] of [
      ['user', 'u'],
      ['kernel', 'k'],
    ] as const) {
      const event = `--event=cpu-clock:${modifier}`
      const { end } = await run(perf, ['stat', event, `--pid=${asked[0]}`, '--timeout=10'])
      answers.set(`${asked[0]} ${who}`, end?.exitCode === 0 ? 'allowed' : refusalOf(end))
    }
  }
  return pid => answersFor(pid, answers)
}

/** Of this machine: perf_event_open, process_vm_readv, ptrace, bpf, setns. From asm/unistd.h. */
const systemCalls: ReadonlyMap<string, readonly number[]> = new Map([
  ['x64', [298, 310, 101, 321, 308]],
  ['arm64', [241, 270, 117, 280, 268]],
])

// No process has memory at address 1: EFAULT (14) says that reading it was not refused.
//
// An event of the software's clock that is never enabled, of 64 bytes (PERF_ATTR_SIZE_VER0); bit 0 of its
// flags is `disabled`, 5 and 6 leave out kernel and hypervisor. 8 is PERF_FLAG_FD_CLOEXEC.
//
// No module is used, for our image has perl and none of them.
const program = `
  my ($perf, $read, $ptrace, $bpf, $setns) = split /,/, shift @ARGV;
  $| = 1;
  sub ask {
    my ($name, @call) = @_;
    my $child = fork;
    return unless defined $child;
    if ($child == 0) {
      my $number = shift @call;
      my $result = syscall $number, @call;
      print "$name ", ($result == -1 ? $! + 0 : 0), "\\n";
      exit 0;
    }
    waitpid $child, 0;
    print "$name killed\\n" if $? & 127;
    return !($? & 127);
  }
  my $maySample = ask('perf_event_open', $perf + 0, 0, 0, -1, -1, 0);
  my $mayRead = ask('process_vm_readv', $read + 0, $$, 0, 0, 0, 0, 0);
  ask('ptrace', $ptrace + 0, 3, $$, 0, 0);
  ask('bpf', $bpf + 0, 255, 0, 0);
  ask('setns', $setns + 0, -1, 0);
  my $byte = "\\0";
  my $ours = pack('Q2', unpack('Q', pack('P', $byte)), 1);
  my $theirs = pack('Q2', 1, 1);
  for my $pid (@ARGV) {
    if ($mayRead) {
      my $result = syscall($read + 0, $pid + 0, $ours, 1, $theirs, 1, 0);
      print "$pid attach ", ($! == 14 ? 0 : $! + 0), "\\n" if $result == -1;
    }
    next unless $maySample;
    for (['user', 97], ['kernel', 1]) {
      my ($who, $flags) = @$_;
      my $event = pack('L2 Q5 x16', 1, 64, 0, 0, 0, 0, $flags);
      my $fd = syscall($perf + 0, $event, $pid + 0, -1, -1, 8);
      print "$pid $who ", ($fd == -1 ? $! + 0 : 0), "\\n";
      if ($fd >= 0) { open my $handle, '<&=', $fd; close $handle }
    }
  }
`

const errors: ReadonlyMap<number, Answer> = new Map([
  [0, 'allowed'],
  [1, 'EPERM'],
  [13, 'EACCES'],
  [38, 'ENOSYS'],
])

function readAnswers(said: string): Map<string, Answer> {
  const answers = new Map<string, Answer>()
  for (const [, name, result] of said.matchAll(/^(.+) (\d+|killed)$/gm)) {
    answers.set(name!, result === 'killed' ? 'killed' : (errors.get(Number(result)) ?? 'failed'))
  }
  return answers
}

function answersFor(pid: number, answers: ReadonlyMap<string, Answer>): Answers {
  // Made with arguments that nothing accepts: any other error than a refusal comes from the kernel itself.
  const reaches = (name: string): Answer => {
    const answer = answers.get(name) ?? 'unknown'
    return answer === 'failed' ? 'allowed' : answer
  }
  const perfEvents = reaches('perf_event_open')
  const readMemory = reaches('process_vm_readv')
  const sampling = (who: string): Answer =>
    perfEvents === 'killed' ? 'killed' : (answers.get(`${pid} ${who}`) ?? 'unknown')
  return {
    perfEvents,
    perfUser: sampling('user'),
    perfKernel: sampling('kernel'),
    attach: readMemory === 'killed' ? 'killed' : (answers.get(`${pid} attach`) ?? 'unknown'),
    readMemory,
    ptrace: reaches('ptrace'),
    bpf: reaches('bpf'),
    setns: reaches('setns'),
  }
}

/** perf says errors in words; of those that matter here, which. */
function refusalOf(end: ToolEnd | undefined): Answer {
  if (end === undefined || end.killed) return 'unknown'
  if (/not permitted|permission|limited/i.test(end.stderrTail)) return 'EACCES'
  return /not implemented|not supported/i.test(end.stderrTail) ? 'ENOSYS' : 'failed'
}

/** What it said, and how it ended: undefined where it could not be started. */
async function run(
  path: string,
  args: readonly string[],
): Promise<{ readonly said: string; readonly end?: ToolEnd }> {
  let said = ''
  try {
    const tool = await startTool({ path, args })
    const timer = setTimeout(tool.kill, limitMs)
    try {
      for await (const piece of tool.stdout.setEncoding('utf8')) {
        said = (said + piece).slice(0, maxOutput)
      }
      return { said, end: await tool.ended }
    } finally {
      clearTimeout(timer)
    }
  } catch {
    // Without setpriv nothing is started: what was not asked is unknown, and whoever samples says it.
    return { said }
  }
}
