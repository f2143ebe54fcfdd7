// A continuous profiler as an agent of a JVM: it samples by SIGPROF, and says each
// time that it has had 20 more samples.
//
//     cc -shared -fPIC -O1 -o libjavaProfiler.so sampler.c
//     java -agentpath:./libjavaProfiler.so …

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t samples;

static void sample(int signal) {
  (void)signal;
  if (++samples % 20 == 0 && write(1, "sampled\n", 8) < 0) samples = 0;
}

int Agent_OnLoad(void *jvm, char *options, void *reserved) {
  (void)jvm, (void)options, (void)reserved;
  struct sigaction action = {.sa_handler = sample, .sa_flags = SA_RESTART};
  struct itimerval every10Ms = {{0, 10000}, {0, 10000}};
  sigaction(SIGPROF, &action, 0);
  setitimer(ITIMER_PROF, &every10Ms, 0);
  return 0;
}
