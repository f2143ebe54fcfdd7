// Runs a copy of one of its functions in anonymous memory, as a JIT compiler
// runs what it has made. Prints the address and the size of the copy in hex, as a
// line of a perf map needs them. Ends by itself after the seconds given.
//
//     cc -O1 -o jit jit.c

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { size = 4096 };

// Registers only, and no calls: it runs wherever it lies.
__attribute__((noinline)) static unsigned long spin(unsigned long rounds) {
  unsigned long state = 1;
  for (unsigned long i = 0; i < rounds; i++) {
    state = state * 25 + i;
    __asm__ volatile("" : "+r"(state));
  }
  return state;
}

int main(int argc, char **argv) {
  void *code = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) return 1;
  memcpy(code, (const void *)spin, 128);
  mprotect(code, size, PROT_READ | PROT_EXEC);
  __builtin___clear_cache((char *)code, (char *)code + size);
  printf("%lx %x\n", (unsigned long)code, size);
  fflush(stdout);
  alarm(argc > 1 ? (unsigned)atoi(argv[1]) : 60);
  for (;;) ((unsigned long (*)(unsigned long))code)(1000000);
}
