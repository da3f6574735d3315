"""Bytes to disk: plan, fetch, verify, and the Hub's cache layout.

`FetchClient` (in `client`) is the way in; it runs one fetch process (`fetcher`), which does all the
writing. `cache` answers what is on disk without any process or network.
"""
