"""Virtual toys at GATT level, and a radio that finds them."""
