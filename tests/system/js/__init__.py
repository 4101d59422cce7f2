"""The official JavaScript clients, unmodified, driven from Python in Node and in Chromium."""
