"""MQTT with Home Assistant's discovery: each toy is a device there, with a slider per output."""
