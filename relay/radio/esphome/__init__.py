"""Bluetooth proxies of ESPHome as radios: boards with Wi-Fi that many homes have in each room."""
