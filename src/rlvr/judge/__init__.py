"""The machine that runs untrusted programs.

`extraction` cuts the program out of a completion, `assembly` turns a reference into what is run (`splitting`: in how
many processes), `pool`, `queue`, `profiles` and `worker` are the caller's side. The rest runs in small processes of its
own and imports nothing outside the standard library, except `suites`, which runs files of pytest: `zygote` forks
`candidate` and `tester`, which talk through `handles`, `standins` and `codec`; `telltales` notices what no solution
needs.
"""
