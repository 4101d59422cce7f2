"""Peers that mean harm, as runnable attacks with figures: `make hostile`."""
