"""The machine that runs untrusted programs.

`extraction` cuts the program out of a completion, `assembly` turns a reference into what is run, `pool` and `worker` are
the caller's side; `zygote`, `candidate`, `tester`, `handles`, `codec` and `limits` run in small processes of their own and
import nothing outside the standard library.
"""
