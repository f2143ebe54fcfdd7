// A program with a known hot path, to be built without frame pointers: of 10 parts
// of work alpha does 4, beta 3 (11 calls deep) and sorting 3 (called by libc).
// `huge` has its frame too large to be copied. Ends by itself after the seconds given.
//
//     cc -O2 -g -fomit-frame-pointer -o frameless frameless.c

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMED __attribute__((noinline))

static volatile unsigned long sink;

NAMED static void leaf(unsigned long rounds) {
  // On the stack, for a function that needs none has no frame pointer whatever is asked for.
  for (volatile unsigned long i = 0; i < rounds; i++) sink += i * i;
}

NAMED static int compare(const void *a, const void *b) {
  leaf(200);
  return *(const int *)a - *(const int *)b;
}

// 50 elements take some 220 comparisons.
NAMED static void sorting(void) {
  int values[50];
  for (int i = 0; i < 50; i++) values[i] = (i * 7919) % 50;
  qsort(values, 50, sizeof(int), compare);
  sink += values[3];
}

NAMED static void deep(int n) {
  char room[64];
  memset(room, n, sizeof room);
  if (n > 0) deep(n - 1);
  else leaf(44000);
  sink += room[n % 64];
}

NAMED static void alpha(void) {
  leaf(59000);
  sink++;
}

NAMED static void beta(void) {
  deep(10);
  sink++;
}

NAMED static void handle(void) {
  alpha();
  beta();
  sorting();
  sink++;
}

NAMED static void huge(void) {
  char room[20000];
  memset(room, sink & 1, sizeof room);
  leaf(100000);
  sink += room[19999];
}

int main(int count, char **arguments) {
  time_t end = time(0) + atoi(arguments[1]);
  while (time(0) < end) count > 2 ? huge() : handle();
  return 0;
}
