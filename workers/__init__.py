"""Celery workers: claim a job, convert it in a confined child, prove parity, publish and record it."""
