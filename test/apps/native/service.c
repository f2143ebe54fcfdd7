// A payments endpoint with a known hot path: validating the card takes 70 % of
// each request, serialize_response 30 %. Prints its port, answers GET on the
// loopback, ends by itself after the seconds given.
//
//     cc -O1 -g -fno-omit-frame-pointer -fno-inline -o service service.c
//
// One function's symbol carries a card number (the test number of every network),
// as the name of a generic type may.

#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile uint64_t sink;

// A leaf has no frame of its own, so a walk by frame pointers misses its caller: here that is
// spin, and the functions whose shares are known are seen.
__attribute__((noinline)) static uint64_t mix(uint64_t state) {
  for (unsigned i = 0; i < 1000; i++) state = state * 6364136223846793005u + i;
  return state;
}

__attribute__((noinline)) static void spin(unsigned rounds) {
  uint64_t state = sink + 1;
  for (unsigned i = 0; i < rounds; i++) state = mix(state);
  sink = state;
}

// Not a tail call: the caller's frame has to be there when a sample is taken.
#define KEEP_FRAME __asm__ volatile("")

__attribute__((noinline)) static void validate_card_4111111111111111(void) {
  spin(700);
  KEEP_FRAME;
}

__attribute__((noinline)) static void serialize_response(void) {
  spin(300);
  KEEP_FRAME;
}

__attribute__((noinline)) static void handle_request(int client) {
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  validate_card_4111111111111111();
  serialize_response();
  if (write(client, answer, sizeof answer - 1) < 0) perror("write");
}

__attribute__((noinline)) static void serve(int client) {
  char request[4096];
  while (read(client, request, sizeof request) > 0) handle_request(client);
  close(client);
}

int main(int argc, char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 16)) return 1;
  getsockname(listener, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  signal(SIGPIPE, SIG_IGN);
  alarm(argc > 1 ? (unsigned)atoi(argv[1]) : 60);
  for (;;) serve(accept(listener, 0, 0));
}
