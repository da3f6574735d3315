"""What is in a file of weights, from its header alone: no library, no tensor, little memory, also for hostile files."""
