// The same piece of work for ever; prints the microseconds that each took.

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static volatile uint64_t sink;

__attribute__((noinline)) static void work(void) {
  // Some 10 ms: at 999 Hz ten samples fall into each, at 99 Hz one.
  for (uint64_t i = 0; i < 5000000; i++) sink += i;
}

// A stack as deep as those of a program: one of two functions looks as if the callers were missing.
__attribute__((noinline)) static void handle(void) {
  work();
  __asm__ volatile("");
}

__attribute__((noinline)) static void serve(void) {
  handle();
  __asm__ volatile("");
}

int main(void) {
  for (uint64_t began = now();;) {
    serve();
    uint64_t ended = now();
    printf("%.1f\n", (double)(ended - began) / 1000);
    fflush(stdout);
    began = now();
  }
}
