"""Real processes, real sockets, real time. Everything has a deadline; nothing sleeps to wait."""
