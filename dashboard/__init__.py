"""The web side of the fleet: an API under /api/v1, and pages that read what the API reads.

Knows the database and the stores; neither Celery nor torch is loaded here. Built by `dashboard.app.create_app`.
"""
