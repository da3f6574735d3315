"""Models on torch: devices, opening what a repository holds, and one module per type of model."""
