"""Devices that are made of others: groups, and toys that stand in for another kind."""
