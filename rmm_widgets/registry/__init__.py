"""What is known about models, kept across kernels and crashes: see `store.RegistryStore`."""
