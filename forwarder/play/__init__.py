"""Patterns that run in the hub, as long as somebody who watches says so."""
