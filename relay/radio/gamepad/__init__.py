"""Game pads that rumble, as peripherals: one radio for all of them."""
