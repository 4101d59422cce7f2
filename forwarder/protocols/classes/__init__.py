"""Protocols that are more than packets; one vendor per module."""
