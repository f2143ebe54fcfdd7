// Two threads that wake each other: each round is two switches and the work asked
// for (in rounds of a loop). Prints how long every 200 rounds took, in microseconds.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int there[2], back[2];

static void *echo(void *none) {
  char byte;
  while (read(there[0], &byte, 1) == 1)
    if (write(back[1], &byte, 1) != 1) break;
  return none;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec * 1e-3;
}

int main(int count, char **arguments) {
  long work = count > 1 ? atol(arguments[1]) : 0;
  pthread_t thread;
  char byte = 'x';
  if (pipe(there) != 0 || pipe(back) != 0) return 1;
  pthread_create(&thread, 0, echo, 0);
  for (;;) {
    double began = now();
    for (int round = 0; round < 200; round++) {
      volatile long sum = 0;
      for (long i = 0; i < work; i++) sum += i;
      if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) return 1;
    }
    printf("%.1f\n", now() - began);
    fflush(stdout);
  }
}
