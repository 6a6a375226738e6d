"""Finds models, turns them into jobs, rings the workers' doorbell and recovers what crashed."""
