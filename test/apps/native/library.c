// A library whose busy function has the name that it is compiled with, at the
// same place whatever that name is. The rounds make it another build.
//
//     cc -shared -fPIC -O1 -fno-omit-frame-pointer -DNAME=ours_inner -DROUNDS=100000 -o library.so library.c

static volatile unsigned long sink;

__attribute__((noinline)) static void NAME(void) {
  for (int i = 0; i < ROUNDS; i++) sink += i;
}

void work(void) {
  NAME();
  // Not a tail call: the frame has to be there when a sample is taken.
  __asm__ volatile("");
}
