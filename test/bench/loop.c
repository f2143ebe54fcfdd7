// The same piece of work for ever; prints the microseconds that each took.

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int main(void) {
  volatile uint64_t sink = 0;
  for (uint64_t began = now();;) {
    // Some 10 ms: at 999 Hz ten samples fall into each, at 99 Hz one.
    for (uint64_t i = 0; i < 5000000; i++) sink += i;
    uint64_t ended = now();
    printf("%.1f\n", (double)(ended - began) / 1000);
    fflush(stdout);
    began = now();
  }
}
