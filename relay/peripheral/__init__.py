"""One connected peripheral: the machine that decides what is written, and what performs it.

`machine` is the whole of it without I/O, `driver` the only part that knows asyncio. The hub uses
this package, like `relay.link`, for devices that dial in to it by themselves.
"""
