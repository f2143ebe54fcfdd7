// Computes in one function until SIGUSR1, and in another from then on, and so forth:
// what changes between the windows of a series. Its argument is how many seconds it lives.

#include <signal.h>
#include <stdlib.h>
#include <time.h>

static volatile sig_atomic_t phase;
static volatile unsigned long sink;

static void next_phase(int signal) {
  (void)signal;
  phase++;
}

static void parse_orders(void) {
  for (unsigned i = 0; i < 1000000; i++) sink += i * 7;
}

static void retry_payment(void) {
  for (unsigned i = 0; i < 1000000; i++) sink ^= i + 3;
}

static void serve_even(void) { parse_orders(); }

static void serve_odd(void) { retry_payment(); }

int main(int argc, char **argv) {
  const time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 60);
  signal(SIGUSR1, next_phase);
  while (time(NULL) < end) {
    if (phase % 2 == 0) serve_even();
    else serve_odd();
  }
  return 0;
}
