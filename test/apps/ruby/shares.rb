# Burns CPU in known shares until the seconds are over: parse 60 %, encode 30 %, sum 10 %.
#
# The second argument is what it does beside: `wait` sleeps nine tenths of the time, `fork` starts two
# more that burn, `workers` starts three and only waits for them, `exec` becomes another program.
# With PACE in its environment it prints the microseconds that each piece of work took.

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

DEADLINE = Process.clock_gettime(Process::CLOCK_MONOTONIC) + Float(ARGV[0] || 60)

def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

def burn(deadline = DEADLINE)
  handle while now < deadline
end

def burn_at_pace
  $stdout.sync = true
  while (began = now) < DEADLINE
    100.times { handle }
    puts ((now - began) * 1e6).round(1)
  end
end

# As the workers of puma and unicorn do, each calls itself by its number.
def start_workers(count)
  count.times.map do |index|
    fork do
      $0 = "shares: worker #{index}"
      burn
    end
  end
end

case ARGV[1]
when 'wait'
  while now < DEADLINE
    enough = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) + 0.005
    handle until Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID) > enough
    sleep(0.045)
  end
when 'exec'
  burn(DEADLINE - 1)
  exec('sleep', '1')
when 'fork'
  workers = start_workers(2)
  burn
  workers.each { |pid| Process.wait(pid) }
when 'workers'
  $0 = 'shares: master'
  start_workers(3).each { |pid| Process.wait(pid) }
else
  ENV.key?('PACE') ? burn_at_pace : burn
end
