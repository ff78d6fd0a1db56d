"""Makes this machine hold what the lock says: what is present, the plan, and carrying it out."""
