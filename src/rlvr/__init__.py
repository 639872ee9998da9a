"""Reinforcement learning with verifiable rewards, from a laptop to a cluster."""

__version__ = "0.1.0"
