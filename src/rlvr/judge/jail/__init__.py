"""Walls around untrusted programs, made of what the kernel offers and nothing else.

`levels` says which walls can be had here and why not; `walls` builds them for one zygote; `namespaces`, `landlock`,
`seccomp`, `cgroups`, `folders` and `users` are the materials, `syscalls` the way to reach them. Standard library only.
"""
