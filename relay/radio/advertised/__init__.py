"""Toys that listen to Bluetooth advertisements only; `holder` is a process of its own."""
