"""One client for every server: origins, credentials, redirects, retries, rate limits."""
