"""The safety gate: what the files of a model could do to whoever opens them, told without opening them."""
