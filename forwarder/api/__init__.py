"""The hub's HTTP API: what the dashboard, the command line and scripts talk to. See docs/api.md."""
