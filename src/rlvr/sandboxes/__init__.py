"""Places that run programs: a job goes in, an execution comes out. One file per place."""
