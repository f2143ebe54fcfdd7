// A program with a known hot path behind generic types: decoding a card takes
// 70 % and decoding a receipt 30 % of the time. Ends by itself after the
// seconds given.
//
//     rustc -O -C force-frame-pointers=yes -o shares shares.rs

use std::hint::black_box;
use std::time::{Duration, Instant};

mod payments {
    pub trait Message {
        const ROUNDS: u64;
    }

    pub struct Card;
    pub struct Receipt;

    impl Message for Card {
        const ROUNDS: u64 = 35_000;
    }

    impl Message for Receipt {
        const ROUNDS: u64 = 15_000;
    }

    pub struct Codec<M>(pub M);

    impl<M: Message> Codec<M> {
        #[inline(never)]
        pub fn decode(&self, mut state: u64) -> u64 {
            for i in 0..M::ROUNDS {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(std::hint::black_box(i));
            }
            state
        }
    }
}

#[inline(never)]
fn handle_request(state: u64) -> u64 {
    let state = payments::Codec(payments::Card).decode(state);
    payments::Codec(payments::Receipt).decode(state)
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(60);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut state = 1;
    while Instant::now() < end {
        state = black_box(handle_request(state));
    }
}
