"""Devices by cable and over the local network, as peripherals: one radio for each named way."""
