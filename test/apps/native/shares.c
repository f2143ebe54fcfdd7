// A program with a known hot path: parse takes 70 % and encode 30 % of the
// time, in rounds of some 50 µs, so that it does not fall in step with a sampler.
// Ends by itself after the seconds given.
//
//     cc -O1 -fno-omit-frame-pointer -fno-inline -o shares shares.c

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static volatile uint64_t sink;

__attribute__((noinline)) static void parse(void) {
  uint64_t state = sink;
  for (uint64_t i = 0; i < 35000; i++) state = state * 6364136223846793005u + i;
  sink = state;
}

__attribute__((noinline)) static void encode(void) {
  uint64_t state = sink;
  for (uint64_t i = 0; i < 15000; i++) state = state * 6364136223846793005u + i;
  sink = state;
}

__attribute__((noinline)) static void handle_request(void) {
  parse();
  encode();
  // Not a tail call: the frame has to be there when a sample is taken.
  __asm__ volatile("");
}

int main(int argc, char **argv) {
  alarm(argc > 1 ? (unsigned)atoi(argv[1]) : 60);
  for (;;) handle_request();
}
