"""Celery workers: each claims a job, converts it in a confined child, proves parity, publishes and records it."""
