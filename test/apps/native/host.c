// Spends its time in the libraries at the paths given, the same in each. Ends by
// itself after the seconds given.
//
//     cc -O1 -fno-omit-frame-pointer -o host host.c
//     ./host 60 /path/to/library.so...

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  enum { most = 16 };
  void (*work[most])(void);
  int count = 0;
  for (int at = 2; at < argc && count < most; at++) {
    void *library = dlopen(argv[at], RTLD_NOW);
    work[count] = library ? (void (*)(void))dlsym(library, "work") : 0;
    if (!work[count++]) return fprintf(stderr, "%s\n", dlerror()), 1;
  }
  alarm((unsigned)atoi(argv[1]));
  for (int at = 0; count > 0; at = (at + 1) % count) work[at]();
}
