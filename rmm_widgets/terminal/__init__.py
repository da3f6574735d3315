"""The commands outside of notebooks: `rmm` and `jupyter rmm`."""
