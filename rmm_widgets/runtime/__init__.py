"""The shell around the pure core: one thread with one event loop that owns all state and does the work."""
