// The first process of a pod: it holds the pod's namespaces open, and buries what the others leave.
//
//     cc -O1 -static -o pause pause.c

#include <signal.h>
#include <unistd.h>

static void leave(int signal) { _exit(signal != SIGTERM); }

int main(void) {
  // The first process of a namespace gets no signal that it has not asked for.
  signal(SIGTERM, leave);
  signal(SIGINT, leave);
  signal(SIGCHLD, SIG_IGN);
  for (;;) pause();
}
