"""Direct paths in network namespaces, with an iroh relay of one's own: `make away`."""
