"""A second process that stops what this machine's Bluetooth still holds when the relay cannot.

BlueZ keeps a connection when the program that made it dies, and most toys go on with what they
were told last. `python -m relay.supervision FD` waits at the other end of a socket pair: `holds`
is what comes over it, `process` decides, `reach` writes: through `bluez`, or to the open port or
socket that came with a hold. The relay's side is
`relay.supervision.supervisor`. Only the standard library and dbus-fast are imported here, to keep
the process small.
"""
