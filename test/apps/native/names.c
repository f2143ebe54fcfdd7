// A thread for each name given, each busy in the same function. Ends by itself
// after the seconds given.
//
//     cc -O1 -fno-omit-frame-pointer -fno-inline -pthread -o names names.c
//     ./names 60 'a;b' '</script>'

#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile unsigned long sink;

__attribute__((noinline)) static void spin(void) {
  for (int i = 0; i < 100000; i++) sink += i;
}

static void *work(void *name) {
  prctl(PR_SET_NAME, name, 0, 0, 0);
  for (;;) spin();
}

int main(int argc, char **argv) {
  alarm(argc > 1 ? (unsigned)atoi(argv[1]) : 60);
  pthread_t thread;
  for (int at = 3; at < argc; at++) pthread_create(&thread, 0, work, argv[at]);
  work(argc > 2 ? argv[2] : "names");
}
