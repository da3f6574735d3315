"""Where a loaded model lives: one worker core, placed in a process of its own or in a thread of the kernel.

Nothing is imported here, so that a worker's process starts with only what it needs.
"""
