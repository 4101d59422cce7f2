"""Direct paths between hub and relay, by the library `iroh` (the extra `p2p`)."""
