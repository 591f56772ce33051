"""Agents: what acts in environments, from tables to actor-critics."""
