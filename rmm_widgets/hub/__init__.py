"""What exists: search of the Hub and inspection of a repository. Downloads nothing but small text files."""
