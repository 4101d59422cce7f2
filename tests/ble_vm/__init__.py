"""The relay on a genuine Bluetooth stack, in a virtual machine: see docs/bluetooth-testing.md.

`python -m tests.ble_vm` builds the machine where it must and runs `guest/` in it.
"""
