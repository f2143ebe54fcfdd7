# Burns CPU in known shares until the seconds are over: parse 60 %, encode 30 %, the rest sum 10 %.
#
# With `wait` as second argument it sleeps nine tenths of the time: for wall-clock captures.

# Work of its own in each, so that the share is that of the leaf too.
def parse(rounds)
  index = 0
  index += 1 while index < rounds
end

def encode(rounds)
  index = 0
  index += 1 while index < rounds
end

def sum(rounds)
  index = 0
  index += 1 while index < rounds
end

def handle
  parse(12_000)
  encode(6_000)
  sum(2_000)
end

deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + Float(ARGV[0] || 60)
case ARGV[1]
when 'wait'
  # A tenth of the time is work, whatever the machine does meanwhile.
  while (now = Process.clock_gettime(Process::CLOCK_MONOTONIC)) < deadline
    handle until Process.clock_gettime(Process::CLOCK_MONOTONIC) - now > 0.005
    sleep(0.045)
  end
when 'exec'
  # Becomes another program in the middle.
  handle while Process.clock_gettime(Process::CLOCK_MONOTONIC) < deadline - 1
  exec('sleep', '1')
when 'fork'
  children = 2.times.map { fork { handle while Process.clock_gettime(Process::CLOCK_MONOTONIC) < deadline } }
  handle while Process.clock_gettime(Process::CLOCK_MONOTONIC) < deadline
  children.each { |pid| Process.wait(pid) }
else
  handle while Process.clock_gettime(Process::CLOCK_MONOTONIC) < deadline
end
