"""Disk to memory: which loader fits a folder, typed configuration, and the loaders themselves."""
