"""The machine that runs untrusted programs.

`extraction` cuts the program out of a completion, `assembly` turns a reference into what is run (`splitting`: in how
many processes; `uses`: what they take from where), `pool`, `queue`, `profiles`, `worker`, `reports` and `witnesses` are
the caller's side. The rest runs in small processes of its own and imports nothing outside the standard library, except
`suites`, which runs files of pytest: `zygote` forks `candidate` and `tester`, each with a `peer`, which talk through
`handles`, `standins`, `views`, `exceptions` and `codec`; `guards` says what a program may do with what it was handed,
`telltales` notices what no solution needs. Programs that read an input and print an answer: `cases` is the caller's
side, `stdio` the zygote's, `referee` the process that has the answers, `checkers` compare, `languages` build and start.
"""
