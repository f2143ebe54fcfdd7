// Threads that wait in known ways: `waits SCENARIO SECONDS`. Ends by itself, and
// then prints what it measured: `NAME SHARE` of the run, by its own clocks.
//
//     mix       one thread: 4 ms of work, 6 ms of sleep; another blocked since the start
//     lock      a holder sleeps 8 ms with the lock, a waiter wants it
//     pipe      a writer every 10 ms, a reader
//     burners   two threads that compute on one core
//     switches  two threads that wake each other as fast as they can
//
//     cc -O1 -g -fno-omit-frame-pointer -fno-optimize-sibling-calls -o waits waits.c -lpthread

#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAMED __attribute__((noinline))

static double end;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int ends[2];
static int back[2];

static double clock_of(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

static double wall(void) { return clock_of(CLOCK_MONOTONIC); }

NAMED void work(double seconds) {
  double until = clock_of(CLOCK_THREAD_CPUTIME_ID) + seconds;
  volatile long sum = 0;
  while (clock_of(CLOCK_THREAD_CPUTIME_ID) < until)
    for (int i = 0; i < 10000; i++) sum += i;
}

// libc has no frame pointers, so who calls it is skipped in a stack: each of these has a layer for that.
NAMED void call_sleep(long milliseconds) {
  struct timespec time = {0, milliseconds * 1000000};
  nanosleep(&time, 0);
  __asm__ volatile("");
}

NAMED void rest(long milliseconds) {
  call_sleep(milliseconds);
  __asm__ volatile("");
}

NAMED void call_lock(void) {
  pthread_mutex_lock(&mutex);
  __asm__ volatile("");
}

NAMED void want_lock(void) {
  call_lock();
  __asm__ volatile("");
}

NAMED void call_read(int fd) {
  char byte;
  if (read(fd, &byte, 1) != 1) exit(1);
}

NAMED void read_one(int fd) {
  call_read(fd);
  __asm__ volatile("");
}

NAMED void *forever(void *none) {
  int nobody[2];
  if (pipe(nobody) == 0) read_one(nobody[0]);
  return none;
}

NAMED void *holder(void *none) {
  while (wall() < end) {
    pthread_mutex_lock(&mutex);
    rest(8);
    pthread_mutex_unlock(&mutex);
    rest(2);
  }
  return none;
}

NAMED void *writer(void *none) {
  for (;;) {
    rest(10);
    if (write(ends[1], "x", 1) != 1) exit(1);
  }
  return none;
}

NAMED void *echo(void *none) {
  for (;;) {
    read_one(ends[0]);
    if (write(back[1], "x", 1) != 1) exit(1);
  }
  return none;
}

static void pin(void) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);
}

NAMED void *burner(void *name) {
  double began = wall();
  pin();
  while (wall() < end) work(0.05);
  double lived = wall() - began;
  printf("%s %.4f\n", (char *)name, clock_of(CLOCK_THREAD_CPUTIME_ID) / lived);
  return 0;
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  const char *scenario = arguments[1];
  double began = wall(), waited = 0;
  end = began + atof(arguments[2]);
  pthread_t thread;
  if (pipe(ends) != 0 || pipe(back) != 0) return 1;

  if (strcmp(scenario, "mix") == 0) {
    pthread_create(&thread, 0, forever, 0);
    pthread_setname_np(thread, "forever");
    while (wall() < end) {
      work(0.004);
      double at = wall();
      rest(6);
      waited += wall() - at;
    }
    double lived = wall() - began;
    printf("rest %.4f\nwork %.4f\n", waited / lived, clock_of(CLOCK_THREAD_CPUTIME_ID) / lived);
  } else if (strcmp(scenario, "lock") == 0) {
    pthread_create(&thread, 0, holder, 0);
    pthread_setname_np(thread, "holder");
    while (wall() < end) {
      double at = wall();
      want_lock();
      waited += wall() - at;
      pthread_mutex_unlock(&mutex);
      rest(1);
    }
    printf("want_lock %.4f\n", waited / (wall() - began));
  } else if (strcmp(scenario, "pipe") == 0) {
    pthread_create(&thread, 0, writer, 0);
    pthread_setname_np(thread, "writer");
    while (wall() < end) {
      double at = wall();
      read_one(ends[0]);
      waited += wall() - at;
    }
    printf("read_one %.4f\n", waited / (wall() - began));
  } else if (strcmp(scenario, "burners") == 0) {
    pthread_create(&thread, 0, burner, "second");
    pthread_setname_np(thread, "second");
    pin();
    burner("first");
    pthread_join(thread, 0);
  } else {
    long rounds = 0;
    pthread_create(&thread, 0, echo, 0);
    pthread_setname_np(thread, "echo");
    for (; wall() < end; rounds++) {
      if (write(ends[1], "x", 1) != 1) return 1;
      read_one(back[0]);
    }
    printf("rounds %ld\n", rounds);
  }
  fflush(stdout);
  return 0;
}
