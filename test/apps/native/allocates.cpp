// A program that spends its time inside of libc's allocator, in functions that only
// libc's debug file has names for. Ends by itself after the seconds given.
//
//     c++ -O1 -fno-omit-frame-pointer -fno-inline -o allocates allocates.cpp

#include <cstdlib>
#include <unistd.h>

__attribute__((noinline)) static void allocate() {
  void *kept[64];
  // Larger than what a thread's own cache takes, smaller than a mapping of its own.
  for (int i = 0; i < 64; i++) kept[i] = malloc(2000 + 64 * i);
  for (int i = 0; i < 64; i += 2) free(kept[i]);
  for (int i = 1; i < 64; i += 2) free(kept[i]);
  // Not a tail call: the frame has to be there when a sample is taken.
  __asm__ volatile("");
}

int main(int argc, char **argv) {
  alarm(argc > 1 ? (unsigned)atoi(argv[1]) : 60);
  for (;;) allocate();
}
