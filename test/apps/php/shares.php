<?php
// Burns CPU in known shares until the seconds are over: parse 60 %, encode 30 %, sum 10 %.
// As a script it takes the seconds; behind a server each request does a round of it.
// With PACE in its environment it prints the microseconds that each piece of work took.

function parse($rounds) { for ($index = 0; $index < $rounds; $index++) { $total = $index * $index; } }
function encode($rounds) { for ($index = 0; $index < $rounds; $index++) { $total = $index * $index; } }
function sum($rounds) { for ($index = 0; $index < $rounds; $index++) { $total = $index * $index; } }

function handle() {
    parse(12000);
    encode(6000);
    sum(2000);
}

if (PHP_SAPI === 'cli') {
    $deadline = hrtime(true) + 1e9 * (float) ($argv[1] ?? 60);
    $pace = getenv('PACE') !== false;
    while (($began = hrtime(true)) < $deadline) {
        for ($round = 0; $round < ($pace ? 150 : 1); $round++) handle();
        if ($pace) printf("%.1f\n", (hrtime(true) - $began) / 1e3);
    }
} else {
    for ($round = 0; $round < 20; $round++) handle();
    echo "done\n";
}
