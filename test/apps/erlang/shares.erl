%% Burns CPU in known shares until the seconds are over: parse 60 %, encode 30 %, sum 10 %.
%%
%%     erlc shares.erl && erl +JPperf true -noshell -run shares main 60
%%
%% With PACE in its environment it prints the microseconds that each piece of work took.

-module(shares).
-export([main/1, parse/2, encode/2, sum/2]).

main([Seconds]) ->
    Deadline = erlang:monotonic_time(millisecond) + list_to_integer(Seconds) * 1000,
    loop(Deadline, os:getenv("PACE")).

loop(Deadline, Pace) ->
    Began = erlang:monotonic_time(microsecond),
    work(if Pace =:= false -> 1; true -> 30 end),
    Pace =/= false andalso io:format("~b~n", [erlang:monotonic_time(microsecond) - Began]),
    case erlang:monotonic_time(millisecond) < Deadline of
        true -> loop(Deadline, Pace);
        false -> halt()
    end.

work(0) -> done;
work(Rounds) ->
    handle(),
    work(Rounds - 1).

%% What is returned is used, so that none of it is a tail call and each has its caller.
handle() ->
    parse(120000, 0) + encode(60000, 0) + sum(20000, 0).

parse(0, Total) -> Total;
parse(Rounds, Total) -> parse(Rounds - 1, (Total + Rounds * Rounds) band 16#ffffff).

encode(0, Total) -> Total;
encode(Rounds, Total) -> encode(Rounds - 1, (Total + Rounds * Rounds) band 16#ffffff).

sum(0, Total) -> Total;
sum(Rounds, Total) -> sum(Rounds - 1, (Total + Rounds * Rounds) band 16#ffffff).
