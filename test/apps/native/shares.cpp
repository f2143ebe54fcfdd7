// A program with a known hot path behind templates and namespaces: decoding a
// card takes 70 % and decoding a receipt 30 % of the time. Ends by itself after
// the seconds given.
//
//     c++ -O1 -fno-omit-frame-pointer -fno-inline -o shares shares.cpp

#include <cstdint>
#include <cstdlib>
#include <unistd.h>

static volatile uint64_t sink;

namespace payments {

struct Card {
  static constexpr uint64_t rounds = 35'000;
};

struct Receipt {
  static constexpr uint64_t rounds = 15'000;
};

template <typename Message>
struct Codec {
  template <int Version>
  __attribute__((noinline)) void decode(const Message &) {
    uint64_t state = sink;
    for (uint64_t i = 0; i < Message::rounds; i++) state = state * 6364136223846793005u + i;
    sink = state;
  }
};

}  // namespace payments

namespace {

__attribute__((noinline)) void handle_request() {
  payments::Codec<payments::Card>().decode<1>(payments::Card());
  payments::Codec<payments::Receipt>().decode<2>(payments::Receipt());
  // Not a tail call: the frame has to be there when a sample is taken.
  __asm__ volatile("");
}

}  // namespace

int main(int argc, char **argv) {
  alarm(argc > 1 ? (unsigned)atoi(argv[1]) : 60);
  for (;;) handle_request();
}
