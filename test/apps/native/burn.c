// Burns CPU in a function of a known name until it is killed or the seconds are over.
//
//     cc -O1 -fno-omit-frame-pointer -fno-inline -o burn burn.c

#include <stdlib.h>
#include <unistd.h>

static volatile unsigned long sink;

__attribute__((noinline)) void burn_inner(void) {
  for (int i = 0; i < 100000; i++) sink += i;
}

__attribute__((noinline)) void burn_outer(void) {
  burn_inner();
  // Not a tail call: the frame has to be there when a sample is taken.
  __asm__ volatile("");
}

int main(int argc, char **argv) {
  alarm(argc > 1 ? (unsigned)atoi(argv[1]) : 60);
  for (;;) burn_outer();
}
