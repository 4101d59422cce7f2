"""The subcommands of `forwarder`, one module for each thing that people do."""
