"""OSC, as VRChat and ChilloutVR send it: parameters of an avatar that make toys move."""
