module wirelab/bench

go 1.26.0
