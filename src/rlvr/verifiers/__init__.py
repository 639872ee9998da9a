"""Rules that say whether a completion solves a task: facts only, rewards are made elsewhere. One file per rule."""
