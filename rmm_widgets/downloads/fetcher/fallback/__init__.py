"""Files that plain HTTP does not serve: fetched by huggingface_hub in a process of its own, then verified.

`decision` says when, `delivery` carries it out, `process` is the child seen from here, and `child` is what
runs in it. Everything else fetches without huggingface_hub.
"""
