"""Lovense's USB dongle as a radio: one port, several toys, for machines without Bluetooth."""
