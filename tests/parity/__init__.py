"""Parity: what is kept from, and what is changed on purpose against, the library this one continues."""
