"""What every error means and what to do about it: for `%rmm help`, the panels and docs/troubleshooting.md."""
