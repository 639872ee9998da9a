"""The shelf of sources: each file holds one frozen dataclass that is iterated for `Task` records."""
