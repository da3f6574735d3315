"""The fetch process: everything that touches the network or writes to the cache.

`python -m rmm_widgets.downloads.fetcher` is started by `client`. `__main__` speaks the protocol,
`transfer` runs one job, `connection` does HTTP, `partial` keeps what has arrived.
"""
