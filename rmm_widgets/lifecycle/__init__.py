"""The pure core: what state a model is in and what may happen next. No I/O, no clock, no threads."""
