module example.org/pprof

go 1.19
