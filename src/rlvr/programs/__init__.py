"""Small typed programs that can be generated without end, for tasks and later for execution-reasoning data."""
