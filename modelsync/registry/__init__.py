"""OCI registries: what is asked of one, and the manifests and layers that models become there."""
