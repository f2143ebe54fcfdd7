<?php
// Burns CPU in known shares until the seconds are over: parse 60 %, encode 30 %, sum 10 %.
// As a script it takes the seconds; behind a server each request does a round of it.

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
    while (hrtime(true) < $deadline) handle();
} else {
    for ($round = 0; $round < 20; $round++) handle();
    echo "done\n";
}
